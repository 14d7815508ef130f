//! What links, archives and rewrites objects: inputs that no command names, files that
//! are worked on in their place.

mod archives;
mod links;
