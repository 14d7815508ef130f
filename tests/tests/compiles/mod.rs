//! What a compile leaves behind, whether it is run or served.

mod depfiles;
mod outputs;
mod plain;
