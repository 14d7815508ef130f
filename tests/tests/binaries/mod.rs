//! What is no compiler: links, archives, tools of a project; inputs that no command names, files that
//! are worked on in their place.

mod archives;
mod checkers;
pub(crate) mod emscripten;
mod links;
mod lto;
mod mold;
mod trusted;
