//! A host that does with the plugin what Fluent Bit does, with structures laid out as Fluent Bit's are.
//!
//! Source: `src/flb_plugin_proxy.c`, `src/proxy/go/go.c` and `go.h` in Fluent Bit's source code, v5.1.1.

use std::{
    collections::HashMap,
    ffi::{CStr, CString, c_char, c_int, c_void},
    mem, ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
};

use office365_fluent_bit::{
    Api, Definition, FLBPluginExit, FLBPluginInit, FLBPluginInputCallback, FLBPluginInputCallbackCtx,
    FLBPluginInputCleanupCallback, FLBPluginInputCleanupCallbackCtx, FLBPluginInputPause, FLBPluginInputResume,
    FLBPluginRegister,
};

/// `struct flb_plugin_proxy_def` of v5.1.1.
#[repr(C)]
struct HostDefinition {
    known: Definition,
    event_type: c_int,
    config_map: *mut c_void,
}

/// `struct flbgo_input_plugin`.
#[repr(C)]
struct HostPlugin {
    name: *const c_char,
    api: *const HostApi,
    instance: *mut c_void,
    context: *mut c_void,
    callbacks: [*const c_void; 6],
}

/// `struct flb_api`.
#[repr(C)]
struct HostApi {
    known: Api,
    output_log_check: *const c_void,
    custom_get_property: *const c_void,
    custom_log_check: *const c_void,
}

/// `struct flb_plugin_input_proxy_context` of v5.1.1.
#[repr(C)]
struct NewContext {
    collector: c_int,
    remote_context: *mut c_void,
    proxy: *mut c_void,
}

/// The same before v4.1.
#[repr(C)]
struct OldContext {
    collector: c_int,
    proxy: *mut c_void,
}

/// Which Fluent Bit the host is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Age {
    New,
    Old,
}

/// `struct flb_input_instance`, which only the host looks into.
struct Input {
    properties: HashMap<String, CString>,
    /// Fluent Bit frees it then; here it stays, to show who uses it after that.
    ended: AtomicBool,
}

enum Call {
    Start(Age, Vec<(String, String)>, Sender<c_int>),
    Collect(usize, Sender<Vec<u8>>),
    Pause(Sender<()>),
    Resume(Sender<()>),
    Exit(Sender<()>),
}

/// A running instance on a thread of its own, as Fluent Bit has them; with `threaded off`, on that of another one.
pub struct Instance {
    calls: Sender<Call>,
    /// How many instances have begun on the thread before.
    index: usize,
    thread: Option<JoinHandle<()>>,
    lines: Arc<Mutex<Vec<String>>>,
}

/// An instance as its thread has it.
struct Plugged {
    age: Age,
    input: &'static Input,
    /// The pointer that the plugin wants back.
    context: *mut c_void,
}

impl Instance {
    /// Starts an instance; the lines of its log when it refuses.
    pub fn start(age: Age, properties: &[(&str, &str)]) -> Result<Self, Vec<String>> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (calls, called) = channel();
        let current = Arc::clone(&lines);
        let thread = thread::spawn(move || {
            CURRENT.with(|lines| *lines.borrow_mut() = current);
            let mut plugged: Vec<Plugged> = Vec::new();
            for call in called {
                match call {
                    Call::Start(age, properties, answer) => {
                        let (code, begun) = plug(age, properties);
                        plugged.extend(begun);
                        answer.send(code).unwrap();
                    }
                    Call::Collect(index, answer) => {
                        let Plugged { age, context, .. } = plugged[index];
                        answer.send(collect(age, context)).unwrap();
                    }
                    Call::Pause(done) => {
                        FLBPluginInputPause();
                        done.send(()).unwrap();
                    }
                    Call::Resume(done) => {
                        FLBPluginInputResume();
                        done.send(()).unwrap();
                    }
                    Call::Exit(done) => {
                        FLBPluginExit();
                        // Fluent Bit ends instances in the reverse order of their beginning, and frees each at once.
                        plugged.pop().unwrap().input.ended.store(true, Ordering::SeqCst);
                        done.send(()).unwrap();
                    }
                }
            }
        });
        let mut instance = Self { calls, index: 0, thread: None, lines };
        let answer = instance.begin(age, properties);
        instance.thread = Some(thread);
        if answer > 0 { Ok(instance) } else { Err(instance.end()) }
    }

    /// Starts another instance on the same thread, as with `threaded off`. It ends before this one.
    pub fn start_beside(&self, age: Age, properties: &[(&str, &str)]) -> Self {
        let (calls, lines) = (self.calls.clone(), Arc::clone(&self.lines));
        let other = Self { calls, index: self.index + 1, thread: None, lines };
        assert!(other.begin(age, properties) > 0, "{:#?}", other.lines());
        other
    }

    fn begin(&self, age: Age, properties: &[(&str, &str)]) -> c_int {
        let properties = properties.iter().map(|(name, text)| (name.to_lowercase(), (*text).to_owned())).collect();
        self.call(|answer| Call::Start(age, properties, answer))
    }

    fn end(self) -> Vec<String> {
        let Self { calls, thread, lines, .. } = self;
        drop(calls);
        if let Some(thread) = thread {
            thread.join().unwrap();
        }
        lines.lock().unwrap().clone()
    }

    fn call<T>(&self, call: impl FnOnce(Sender<T>) -> Call) -> T {
        let (sender, answer) = channel();
        self.calls.send(call(sender)).unwrap();
        answer.recv().unwrap()
    }

    /// One call of the collector's timer: the records.
    pub fn collect(&self) -> Vec<rmpv::Value> {
        let bytes = self.call(|answer| Call::Collect(self.index, answer));
        let mut rest = &bytes[..];
        let mut records = Vec::new();
        while !rest.is_empty() {
            records.push(rmpv::decode::read_value(&mut rest).unwrap());
        }
        records
    }

    pub fn pause(&self) {
        self.call(Call::Pause);
    }

    pub fn resume(&self) {
        self.call(Call::Resume);
    }

    /// Pauses, as Fluent Bit does before it stops, and ends the instance.
    pub fn exit(self) {
        self.pause();
        self.call(Call::Exit);
        self.end();
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// Begins an instance on the present thread: the plugin's answer, and the instance if it runs.
fn plug(age: Age, properties: Vec<(String, String)>) -> (c_int, Option<Plugged>) {
    let properties = properties.into_iter().map(|(name, text)| (name, CString::new(text).unwrap())).collect();
    // All of it is the host's, and small: it may as well stay indefinitely.
    let input: &'static Input = Box::leak(Box::new(Input { properties, ended: AtomicBool::new(false) }));
    let api: &'static HostApi = Box::leak(Box::new(api()));
    let context: *mut c_void = match age {
        Age::New => {
            let context = NewContext { collector: 7, remote_context: ptr::null_mut(), proxy: theirs() };
            Box::into_raw(Box::new(context)).cast()
        }
        Age::Old => Box::into_raw(Box::new(OldContext { collector: 7, proxy: theirs() })).cast(),
    };
    let plugin = Box::into_raw(Box::new(HostPlugin {
        name: c"office365".as_ptr(),
        api,
        instance: ptr::from_ref(input).cast_mut().cast(),
        context,
        callbacks: [ptr::null(); 6],
    }));
    // SAFETY: as the plugin wants it, and valid indefinitely.
    let answer = unsafe { FLBPluginInit(plugin.cast()) };
    if answer <= 0 {
        return (answer, None);
    }
    let context = match age {
        // SAFETY: the plugin has written to it through a pointer that is still valid.
        Age::New => unsafe { ptr::read(context.cast::<NewContext>()) }.remote_context,
        Age::Old => {
            // SAFETY: as above.
            let proxy = unsafe { ptr::read(context.cast::<OldContext>()) }.proxy;
            assert_eq!(proxy, theirs(), "the host's own pointer was overwritten");
            ptr::null_mut()
        }
    };
    (answer, Some(Plugged { age, input, context }))
}

/// A pointer of the host's own.
fn theirs() -> *mut c_void {
    ptr::without_provenance_mut(0xf00d_0000)
}

/// Registers the plugin: type, interface, name and description.
pub fn register() -> (c_int, c_int, String, String) {
    let known = Definition { plugin_type: 0, proxy: 0, flags: 9, name: ptr::null(), description: ptr::null() };
    let mut definition = HostDefinition { known, event_type: 77, config_map: theirs() };
    // SAFETY: the beginning is what the plugin writes to.
    assert_eq!(unsafe { FLBPluginRegister((&raw mut definition).cast()) }, 0);
    assert_eq!((definition.event_type, definition.config_map), (77, theirs()), "what older hosts lack is left alone");
    let text = |text: *const c_char| {
        // SAFETY: the plugin's strings end with a zero byte.
        unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned()
    };
    let Definition { plugin_type, proxy, flags, name, description } = definition.known;
    assert_eq!(flags, 0);
    (plugin_type, proxy, text(name), text(description))
}

fn collect(age: Age, context: *mut c_void) -> Vec<u8> {
    let (mut data, mut length) = (theirs(), 99);
    let answer = match age {
        // SAFETY: both may be written to.
        Age::New => unsafe { FLBPluginInputCallbackCtx(context, &raw mut data, &raw mut length) },
        // SAFETY: both may be written to.
        Age::Old => unsafe { FLBPluginInputCallback(&raw mut data, &raw mut length) },
    };
    assert_ne!(answer, -1);
    if length == 0 {
        // Nothing else is called then.
        return Vec::new();
    }
    // SAFETY: the plugin says that there are so many bytes.
    let copy = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) }.to_vec();
    let answer = match age {
        // SAFETY: what the callback gave.
        Age::New => unsafe { FLBPluginInputCleanupCallbackCtx(context, data) },
        // SAFETY: what the callback gave.
        Age::Old => unsafe { FLBPluginInputCleanupCallback(data) },
    };
    assert_ne!(answer, -1);
    copy
}

thread_local! {
    /// `log_print` does not know which instance it is for.
    static CURRENT: std::cell::RefCell<Arc<Mutex<Vec<String>>>> = std::cell::RefCell::default();
}

fn api() -> HostApi {
    type Printer = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, *const c_char);
    type Variadic = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, ...);
    // SAFETY: a variadic function cannot be written in Rust. On Linux, on x86-64 and on AArch64, such a function is passed
    // one pointer like any other function.
    let log_print = unsafe { mem::transmute::<Printer, Variadic>(log_print) };
    HostApi {
        known: Api {
            output_get_property: ptr::null(),
            input_get_property: Some(get_property),
            output_get_metrics: ptr::null(),
            input_get_metrics: ptr::null(),
            log_print: Some(log_print),
            input_log_check: Some(log_check),
        },
        output_log_check: ptr::null(),
        custom_get_property: ptr::null(),
        custom_log_check: ptr::null(),
    }
}

unsafe extern "C" fn get_property(name: *const c_char, instance: *mut c_void) -> *const c_char {
    let input = input(instance);
    // SAFETY: the plugin's name ends with a zero byte.
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_lowercase();
    input.properties.get(&name).map_or(ptr::null(), |text| text.as_ptr())
}

/// The instance that the plugin means, which must be there.
fn input(instance: *mut c_void) -> &'static Input {
    // SAFETY: the instance is the one that was given to the plugin.
    let input = unsafe { &*instance.cast::<Input>() };
    assert!(!input.ended.load(Ordering::SeqCst), "the plugin uses an instance that Fluent Bit has freed");
    input
}

unsafe extern "C" fn log_check(instance: *mut c_void, level: c_int) -> c_int {
    input(instance);
    // Down to debug.
    c_int::from(level <= 4)
}

unsafe extern "C" fn log_print(
    level: c_int,
    _file: *const c_char,
    _line: c_int,
    format: *const c_char,
    text: *const c_char,
) {
    // SAFETY: the format ends with a zero byte.
    assert_eq!(unsafe { CStr::from_ptr(format) }, c"%s");
    // SAFETY: so does the text.
    let text = unsafe { CStr::from_ptr(text) }.to_str().unwrap();
    CURRENT.with(|current| current.borrow().lock().unwrap().push(format!("{level} {text}")));
}
