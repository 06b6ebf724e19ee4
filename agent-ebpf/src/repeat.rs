//! Bounded repetition that the verifier accepts. In the kernel a loop is a `bpf_loop` call, whose body is verified once;
//! a plain loop over a DNS message would be verified once per path through it. On the host it is a plain loop.

/// The body of a loop, and what it keeps between rounds.
pub trait Round {
    /// Returns true to go on.
    fn round(&mut self) -> bool;
}

/// Runs `state.round()` at most `times`, until it returns false.
#[cfg(not(target_arch = "bpf"))]
pub fn repeat<R: Round>(times: u32, state: &mut R) {
    for _ in 0..times {
        if !state.round() {
            return;
        }
    }
}

/// Runs `state.round()` at most `times`, until it returns false.
#[cfg(target_arch = "bpf")]
#[inline(always)]
pub fn repeat<R: Round>(times: u32, state: &mut R) {
    use core::ffi::c_void;

    use aya_ebpf::helpers::generated::bpf_loop;

    extern "C" fn body<R: Round>(_round: u32, state: *mut c_void) -> i64 {
        // SAFETY: `bpf_loop` passes on the pointer below, and `state` is borrowed for as long as it runs.
        let state = unsafe { &mut *state.cast::<R>() };
        i64::from(!state.round())
    }
    // SAFETY: the kernel calls `body` with the pointer it got, never after this returns.
    unsafe { bpf_loop(times, body::<R> as *mut c_void, core::ptr::from_mut(state).cast(), 0) };
}
