//! Gives memory back that is no longer used. Knows the allocator.

use libmimalloc_sys::{mi_collect, mi_option_get, mi_option_set, mi_option_t};

/// `mi_option_purge_delay`: how long freed pages are kept for the next use, in milliseconds. The binding
/// has no name for it.
const PURGE_DELAY: mi_option_t = 15;

/// While this lives, freed memory goes back at once. For start-up, whose peak would otherwise stay: the
/// allocator returns pages only when it is used again, and an idle agent does not use it.
pub(crate) struct Frugal {
    delay_before: std::ffi::c_long,
}

impl Frugal {
    pub(crate) fn begin() -> Self {
        // SAFETY: options may be read and set at any time; they are atomic.
        let delay_before = unsafe { mi_option_get(PURGE_DELAY) };
        // SAFETY: as above.
        unsafe { mi_option_set(PURGE_DELAY, 0) };
        Self { delay_before }
    }
}

impl Drop for Frugal {
    fn drop(&mut self) {
        give_back();
        // SAFETY: options may be set at any time; they are atomic.
        unsafe { mi_option_set(PURGE_DELAY, self.delay_before) };
    }
}

/// Returns what is free, for an agent that fell idle after a burst.
pub(crate) fn give_back() {
    // SAFETY: may be called at any time, from any thread; it only returns what is free.
    unsafe { mi_collect(true) };
}
