//! The functions that Fluent Bit looks up by name.
//!
//! Source: `src/flb_plugin_proxy.c` and `src/proxy/go/go.c` in Fluent Bit's source code, v5.1.1. Each is guarded: a panic
//! becomes the answer of a failure.

use std::{
    ffi::{c_int, c_void},
    ptr::{self, NonNull},
    sync::PoisonError,
    time::Instant,
};

use office365_source::config::check_data_dir;

use crate::{
    abi::{Definition, GO_PROXY, INPUT_PLUGIN, Plugin},
    configuration::{self, Configuration},
    guard::guarded,
    host::{Host, Level},
    instance::{Instance, Settings, prefix},
    near_misses::near_misses,
    registry,
};

/// `FLB_OK`. For `FLBPluginInit`, anything above zero is.
const OK: c_int = 1;
/// What stops the start, or reports that a callback has failed.
const FAILED: c_int = -1;

/// Says what kind of plugin this is. Called once when the library is loaded, and again at a hot reload.
///
/// # Safety
///
/// `definition` is null or points to a definition that may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FLBPluginRegister(definition: *mut Definition) -> c_int {
    guarded(FAILED, || {
        // SAFETY: null or valid, says the caller.
        let Some(definition) = (unsafe { definition.as_mut() }) else { return FAILED };
        *definition = Definition {
            plugin_type: INPUT_PLUGIN,
            proxy: GO_PROXY,
            flags: 0,
            name: c"office365".as_ptr(),
            description: c"Microsoft 365 audit logs (Office 365 Management Activity API)".as_ptr(),
        };
        0
    })
}

/// Starts an instance: reads its properties, opens its ledger, lets its source run.
///
/// # Safety
///
/// `plugin` is null or what a host of the interface describes, valid until `FLBPluginExit` for this instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FLBPluginInit(plugin: *mut Plugin) -> c_int {
    guarded(FAILED, || {
        // SAFETY: null or valid, says the caller.
        let Some(host) = (unsafe { Host::new(plugin) }) else { return FAILED };
        let Some(instance) = start(&host) else { return FAILED };
        let id = registry::add(instance);
        // SAFETY: `Host::new` has found it valid.
        let context = unsafe { (*plugin).context };
        // SAFETY: null or the host's, which lives as long as the instance.
        if let Some(context) = unsafe { context.as_mut() }
            // Older hosts have something of their own in this place; they do not hand it back either.
            && context.remote_context.is_null()
        {
            context.remote_context = id;
        }
        OK
    })
}

fn start(host: &Host) -> Option<Instance> {
    for (given, meant) in near_misses(|name| host.property(name).is_some()) {
        let text =
            format!("[office365] {given}: is not a property of this plugin and has no effect; did you mean {meant}?");
        host.log().write(Level::Warn, &text);
    }
    let refuse = |text: &str| {
        for line in text.lines() {
            host.log().write(Level::Error, &format!("[office365] {line}"));
        }
    };
    let configuration = match configuration::read(|name| host.property(name)) {
        Ok(configuration) => configuration,
        Err(refused) => {
            refuse(&refused.to_string());
            return None;
        }
    };
    let Configuration {
        name,
        source,
        data_dir,
        proxy,
        acknowledgements,
        chunk_bytes,
        shutdown_timeout,
        words,
        warnings,
    } = configuration;
    for warning in warnings {
        host.log().write(Level::Warn, &format!("[office365] {warning}"));
    }
    if let Err(error) = check_data_dir(&data_dir) {
        refuse(&error.to_string());
        return None;
    }
    let prefix = prefix(&name);
    let settings = Settings { name, data_dir, proxy, acknowledgements, chunk_bytes, shutdown_timeout };
    match Instance::start(host.log().clone(), Box::new(source), settings) {
        Ok(instance) => Some(instance),
        Err(error) => {
            host.log().write(Level::Error, &format!("{prefix}{}", words.text(&error.to_string())));
            None
        }
    }
}

/// Gives what has arrived, for hosts that say which instance they mean. Called once a second.
///
/// # Safety
///
/// `data` and `length` are null or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FLBPluginInputCallbackCtx(
    context: *mut c_void,
    data: *mut *mut c_void,
    length: *mut usize,
) -> c_int {
    guarded(FAILED, || {
        // SAFETY: null or valid, says the caller.
        let (Some(data), Some(length)) = (unsafe { data.as_mut() }, unsafe { length.as_mut() }) else { return FAILED };
        (*data, *length) = (ptr::null_mut(), 0);
        let Some(instance) = registry::find(context) else { return FAILED };
        let mut instance = instance.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = instance.collect(Instant::now()) else { return OK };
        let Some(memory) = to_c(&bytes) else {
            instance.take_back(bytes);
            return FAILED;
        };
        (*data, *length) = (memory.as_ptr(), bytes.len());
        OK
    })
}

/// As `FLBPluginInputCallbackCtx`, for hosts that do not say which instance they mean.
///
/// # Safety
///
/// See there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FLBPluginInputCallback(data: *mut *mut c_void, length: *mut usize) -> c_int {
    // SAFETY: the same conditions.
    unsafe { FLBPluginInputCallbackCtx(ptr::null_mut(), data, length) }
}

/// Copies to memory that C can free: hosts from before the clean-up callbacks do so themselves. `None` when there is none.
fn to_c(bytes: &[u8]) -> Option<NonNull<c_void>> {
    // SAFETY: `malloc` may be called with any size.
    let memory = NonNull::new(unsafe { libc::malloc(bytes.len()) })?;
    // SAFETY: `malloc` returned so many bytes, which overlap with nothing.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), memory.as_ptr().cast(), bytes.len()) };
    Some(memory)
}

/// Frees what a callback has given, which Fluent Bit has copied. That does not make it delivered.
///
/// # Safety
///
/// `data` is null or what a callback gave, and it has not been freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FLBPluginInputCleanupCallback(data: *mut c_void) -> c_int {
    // SAFETY: null or from `malloc`, says the caller.
    unsafe { libc::free(data) };
    OK
}

/// As `FLBPluginInputCleanupCallback`.
///
/// # Safety
///
/// See there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FLBPluginInputCleanupCallbackCtx(_context: *mut c_void, data: *mut c_void) -> c_int {
    // SAFETY: the same conditions.
    unsafe { FLBPluginInputCleanupCallback(data) }
}

/// Fluent Bit takes nothing for now: it has as much as it may hold, or it is about to stop.
#[unsafe(no_mangle)]
pub extern "C" fn FLBPluginInputPause() {
    guarded((), || {
        for instance in registry::of_this_thread() {
            instance.lock().unwrap_or_else(PoisonError::into_inner).pause();
        }
    });
}

/// Fluent Bit goes on.
#[unsafe(no_mangle)]
pub extern "C" fn FLBPluginInputResume() {
    guarded((), || {
        for instance in registry::of_this_thread() {
            instance.lock().unwrap_or_else(PoisonError::into_inner).resume();
        }
    });
}

/// Ends an instance. Called once for each.
#[unsafe(no_mangle)]
pub extern "C" fn FLBPluginExit() -> c_int {
    guarded(FAILED, || {
        if let Some(instance) = registry::remove() {
            instance.lock().unwrap_or_else(PoisonError::into_inner).stop();
        }
        OK
    })
}
