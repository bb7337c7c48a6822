//! No panic crosses into C.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `call`; `otherwise` is the result when it panics. The panic's message is on the standard error, as of any panic.
pub(crate) fn guarded<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    // What a panic may leave half done are our own structures, all of which can be dropped and whose locks show it.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        // Dropping it could panic again.
        std::mem::forget(payload);
        otherwise
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Spiteful;

    impl Drop for Spiteful {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_becomes_a_result_whatever_it_carries() {
        assert_eq!(guarded(-1, || 5), 5);
        assert_eq!(guarded(-1, || panic!("a defect")), -1);
        assert_eq!(guarded(-1, || std::panic::panic_any(Spiteful)), -1);
    }
}
