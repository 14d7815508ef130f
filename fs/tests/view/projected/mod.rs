//! Projected files: how they come, are written, remembered, and become real.

mod copying_up;
mod projecting;
mod remembering;
mod settling;
