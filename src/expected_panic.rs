//! Panics in other crates' code that the caller turns into errors.
//!
//! Rust's panic hook writes on the standard error before the caller can catch the panic. The hook belongs to the
//! process, so this library leaves it alone; a program asks for [`silence`], and what is expected is then reported
//! once, as the error that it becomes.

use std::cell::Cell;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Calls what may panic. The caller catches the panic and reports it.
pub fn expecting<T>(call: impl FnOnce() -> T) -> T {
    /// Dropped when `call` unwinds, too, which is after the hook.
    struct Before(bool);

    impl Drop for Before {
        fn drop(&mut self) {
            EXPECTED.set(self.0);
        }
    }

    let _before = Before(EXPECTED.replace(true));
    call()
}

/// Keeps the panic hook of this process from reporting expected panics. All others are reported as before, also those
/// of this crate's code while it is called back: they are defects.
#[cfg(feature = "cli")]
pub fn silence() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if is_told(panic.location().map(std::panic::Location::file)) {
            tell(panic);
        }
    }));
}

/// Whether a panic in this source file is reported.
#[cfg(feature = "cli")]
fn is_told(file: Option<&str>) -> bool {
    !EXPECTED.get() || file.is_none_or(|file| file.starts_with(sources()))
}

/// Where the sources of this crate are, as the compiler writes it into locations.
#[cfg(feature = "cli")]
fn sources() -> &'static str {
    file!().strip_suffix("expected_panic.rs").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    #[test]
    #[cfg(feature = "cli")]
    fn defects_of_this_crate_are_told_wherever_they_are() {
        let (theirs, ours) = ("/home/x/.cargo/registry/src/index/redb-4.0.0/src/db.rs", Location::caller().file());
        assert!(is_told(Some(theirs)) && is_told(Some(ours)));
        expecting(|| assert!(!is_told(Some(theirs)) && is_told(Some(ours)) && is_told(None)));
    }

    #[test]
    fn only_the_call_itself_is_expected_to_panic() {
        assert!(!EXPECTED.get());
        expecting(|| {
            assert!(EXPECTED.get());
            assert!(!std::thread::spawn(|| EXPECTED.get()).join().unwrap());
        });
        assert!(!EXPECTED.get());
        std::panic::catch_unwind(|| expecting(|| std::panic::resume_unwind(Box::new("no hook")))).unwrap_err();
        assert!(!EXPECTED.get());
    }
}
