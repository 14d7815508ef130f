//! How much memory something takes in one piece.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

struct Watching;

// SAFETY: everything is left to the allocator of the system; the note is a number
// without a destructor.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.set(LARGEST.get().max(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static WATCHING: Watching = Watching;

/// Does something; tells the largest piece of memory, in bytes, that it asked for.
pub(crate) fn largest_piece<T>(act: impl FnOnce() -> T) -> (T, usize) {
    LARGEST.set(0);
    let done = act();
    (done, LARGEST.get())
}
