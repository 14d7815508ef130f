//! Views: what they show, what survives, and who can have them.

mod behind;
mod containers;
mod lifecycle;
mod links;
mod places;
mod remembered;
mod showing;
mod survival;
mod users;
