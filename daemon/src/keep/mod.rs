//! From the report of a run to an entry of the store.

mod amendment;
mod comparison;
mod flights;
mod outputs;
mod publication;
mod publisher;
mod reach;
mod rivals;
mod rustc;
mod seal;
mod sift;
mod timing;
mod trace;

pub(crate) use amendment::amend;
pub(crate) use comparison::Suspect;
pub(crate) use flights::{Boarding, Flight, Flights, landed};
pub(crate) use publication::Publication;
pub(crate) use publisher::{Job, Publisher};
pub(crate) use rivals::{Contender, Rivals};
pub(crate) use rustc::own_paths;
pub(crate) use trace::is_of_the_system;
