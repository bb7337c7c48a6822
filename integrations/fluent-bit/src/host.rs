//! Fluent Bit, as one instance of the plugin sees it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use crate::abi::{Api, Plugin};

/// How bad something is, in Fluent Bit's numbers (`FLB_LOG_ERROR` and so on).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(i32)]
pub(crate) enum Level {
    Error = 1,
    Warn = 2,
    Info = 3,
    Debug = 4,
    Trace = 5,
}

impl Level {
    const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];
}

type GetProperty = unsafe extern "C" fn(*const c_char, *mut c_void) -> *const c_char;
type LogPrint = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, ...);
type LogCheck = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

/// What an instance may ask of its host while the host begins it.
///
/// It knows the host's instance, which the host frees at the end of that instance, and is therefore not kept: what outlives
/// the beginning is [`HostLog`].
#[derive(Debug)]
pub(crate) struct Host {
    instance: *mut c_void,
    get_property: GetProperty,
    log: HostLog,
}

/// The host's log, without the host's instance. To be used on the host's threads only, within a call of the host's.
#[derive(Clone, Debug)]
pub(crate) struct HostLog {
    log_print: LogPrint,
    level: Option<Level>,
}

impl Host {
    /// The host of an instance; `None` when it lacks something that every version has.
    ///
    /// # Safety
    ///
    /// `plugin` is null or what a host gave to `FLBPluginInit`, and the instance has not ended.
    pub(crate) unsafe fn new(plugin: *const Plugin) -> Option<Self> {
        // SAFETY: null or valid, says the caller.
        let plugin = unsafe { plugin.as_ref() }?;
        // SAFETY: the host fills it in before it calls; it outlives every instance.
        let api: &Api = unsafe { plugin.api.as_ref() }?;
        Some(Self {
            instance: plugin.instance,
            get_property: api.input_get_property?,
            log: HostLog::new(api.log_print?, api.input_log_check?, plugin.instance),
        })
    }

    /// The host's log.
    pub(crate) fn log(&self) -> &HostLog {
        &self.log
    }

    /// The value of a property as the user wrote it; bytes that are no UTF-8 are replaced.
    pub(crate) fn property(&self, name: &str) -> Option<String> {
        let name = CString::new(name).ok()?;
        // SAFETY: the name ends with a zero byte, and the instance has not ended while the host calls us.
        let value = unsafe { (self.get_property)(name.as_ptr(), self.instance) };
        if value.is_null() {
            return None;
        }
        // SAFETY: not null, so it is a string of the host's that ends with a zero byte; it is copied before we return.
        let value = unsafe { CStr::from_ptr(value) };
        Some(value.to_string_lossy().into_owned())
    }
}

impl HostLog {
    /// Asks for the instance's level, which stays as it is (`ins->log_level`, set in Fluent Bit's `src/flb_input.c` before
    /// the plugin begins), so that the instance need not be there later.
    fn new(log_print: LogPrint, log_check: LogCheck, instance: *mut c_void) -> Self {
        // SAFETY: the host begins the instance while it calls us.
        let logs = |level: Level| unsafe { log_check(instance, level as c_int) } != 0;
        Self { log_print, level: Level::ALL.into_iter().find(|level| logs(*level)) }
    }

    /// The least bad level that the user wants to read of.
    pub(crate) fn level(&self) -> Option<Level> {
        self.level
    }

    /// Writes a message to Fluent Bit's log, which adds time and level.
    pub(crate) fn write(&self, level: Level, message: &str) {
        if self.level.is_none_or(|most| level > most) {
            return;
        }
        let Ok(line) = CString::new(one_line(message)) else { return };
        // SAFETY: the format asks for one string, which ends with a zero byte, as do the others.
        unsafe { (self.log_print)(level as c_int, c"".as_ptr(), 0, c"%s".as_ptr(), line.as_ptr()) };
    }
}

/// The message without control characters. What others have sent (to the webhook, in an answer) may be part of it, and must
/// not look like a line of its own, nor move a terminal's cursor; a zero byte would end the line early.
fn one_line(message: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    message.trim_end().chars().map(visible).collect()
}

#[cfg(test)]
pub(crate) mod fake {
    //! A host for tests of what is behind it.

    use std::{
        collections::HashMap,
        sync::{Arc, Mutex},
    };

    use super::*;

    /// What the host remembers.
    #[derive(Debug, Default)]
    pub(crate) struct FakeHost {
        properties: HashMap<String, CString>,
        lines: Mutex<Vec<String>>,
    }

    /// What was printed. Keeps the host alive.
    #[derive(Clone, Debug)]
    pub(crate) struct Printed(Arc<FakeHost>);

    impl Printed {
        pub(crate) fn lines(&self) -> Vec<String> {
            self.0.lines.lock().unwrap().clone()
        }
    }

    impl FakeHost {
        /// A host that logs everything down to level info.
        pub(crate) fn with(properties: &[(&str, &str)]) -> (Host, Printed) {
            let properties =
                properties.iter().map(|(name, text)| ((*name).to_owned(), CString::new(*text).unwrap())).collect();
            let fake = Arc::new(Self { properties, lines: Mutex::default() });
            // SAFETY: the function takes what its caller passes for this type's format, and ignores nothing it needs; a
            // variadic function cannot be written in Rust. Where variadic arguments are passed like others (Linux on x86-64
            // and on AArch64), it finds them.
            let log_print = unsafe {
                std::mem::transmute::<
                    unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, *const c_char),
                    LogPrint,
                >(log_print)
            };
            CURRENT.with(|current| current.borrow_mut().push(Arc::clone(&fake)));
            let instance = Arc::as_ptr(&fake).cast_mut().cast();
            (Host { instance, get_property, log: HostLog::new(log_print, log_check, instance) }, Printed(fake))
        }
    }

    thread_local! {
        /// `log_print` does not know which instance it is for; the one made last on this thread is.
        static CURRENT: std::cell::RefCell<Vec<Arc<FakeHost>>> = const { std::cell::RefCell::new(Vec::new()) };
    }

    unsafe extern "C" fn get_property(name: *const c_char, instance: *mut c_void) -> *const c_char {
        // SAFETY: tests keep the host.
        let fake = unsafe { &*instance.cast::<FakeHost>() };
        // SAFETY: the caller's name ends with a zero byte.
        let name = unsafe { CStr::from_ptr(name) };
        fake.properties.get(&name.to_string_lossy().to_lowercase()).map_or(std::ptr::null(), |text| text.as_ptr())
    }

    unsafe extern "C" fn log_check(_instance: *mut c_void, level: c_int) -> c_int {
        c_int::from(level <= Level::Info as c_int)
    }

    unsafe extern "C" fn log_print(
        _level: c_int,
        _file: *const c_char,
        _line: c_int,
        _format: *const c_char,
        text: *const c_char,
    ) {
        // SAFETY: the format is `%s`.
        let text = unsafe { CStr::from_ptr(text) };
        let text = text.to_string_lossy().into_owned();
        CURRENT.with(|current| current.borrow().last().unwrap().lines.lock().unwrap().push(text));
    }

    #[test]
    fn properties_and_lines_pass() {
        let (host, printed) = FakeHost::with(&[("mode", "poll")]);
        assert_eq!(host.property("Mode").as_deref(), Some("poll"));
        assert_eq!(host.property("schema"), None);
        assert_eq!(host.property("zero\0byte"), None);
        let log = host.log();
        assert_eq!(log.level(), Some(Level::Info));
        log.write(Level::Info, "100 %s done\n[error] and\0\u{1b}[2Jmore\r\n");
        log.write(Level::Debug, "too fine");
        assert_eq!(printed.lines(), ["100 %s done [error] and\u{fffd}\u{fffd}[2Jmore"]);
    }
}
