//! What the verifier accepts where plain Rust is not enough: bounded repetition, and bounds it can see.
//! In the kernel a loop is a `bpf_loop` call, whose body is verified once;
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

/// The same number, about which the compiler knows nothing: it cannot prove a bound and drop the check that shows the
/// verifier the same.
#[inline(always)]
#[must_use]
pub fn opaque(number: u32) -> u32 {
    #[cfg(target_arch = "bpf")]
    {
        let mut number = number;
        // A move to itself and not an empty template, for which the compiler would still write line information: the
        // kernel refuses two lines for one instruction.
        // SAFETY: changes nothing.
        unsafe {
            core::arch::asm!("{0} = {0}", inout(reg) number, options(pure, nomem, nostack, preserves_flags))
        };
        number
    }
    #[cfg(not(target_arch = "bpf"))]
    number
}
