//! The structures that Fluent Bit and its dynamic plugins share, as far as an input needs them.
//!
//! Sources: `include/fluent-bit/flb_plugin_proxy.h`, `include/fluent-bit/flb_api.h` and `src/proxy/go/go.h` in Fluent Bit's
//! source code, v5.1.1. Hosts before v4.1 have a shorter [`Definition`] and an [`InputContext`] without its second field.

use std::ffi::{c_char, c_int, c_void};

/// `FLB_PROXY_INPUT_PLUGIN`
pub(crate) const INPUT_PLUGIN: c_int = 1;

/// `FLB_PROXY_GOLANG`
pub(crate) const GO_PROXY: c_int = 11;

/// What a plugin says about itself: the beginning of `struct flb_plugin_proxy_def`, which has the same fields in all
/// versions. The host provides the memory.
#[derive(Debug)]
#[repr(C)]
pub struct Definition {
    /// Input, output or other.
    pub plugin_type: c_int,
    /// Which interface the plugin serves.
    pub proxy: c_int,
    /// Flags of the plugin; none are known for inputs.
    pub flags: c_int,
    /// The name that a configuration uses; never freed by the host.
    pub name: *const c_char,
    /// One line for display; never freed by the host.
    pub description: *const c_char,
}

/// One instance of a plugin: the beginning of `struct flbgo_input_plugin`.
#[derive(Debug)]
#[repr(C)]
pub struct Plugin {
    /// The plugin's name.
    pub name: *const c_char,
    /// What the plugin may call.
    pub api: *const Api,
    /// The instance, opaque to the plugin.
    pub instance: *mut c_void,
    /// Where the plugin may leave a pointer of its own.
    pub context: *mut InputContext,
}

/// `struct flb_plugin_input_proxy_context`. Older hosts have a pointer of theirs in the place of `remote_context`, which must
/// not be touched.
#[derive(Debug)]
#[repr(C)]
pub struct InputContext {
    /// The number of the timer.
    pub collector: c_int,
    /// The plugin's own pointer, given back with each call of a callback with context; null until it is set.
    pub remote_context: *mut c_void,
}

/// `struct flb_api`: what a plugin may call. Functions for other kinds of plugins are left without type.
#[derive(Debug)]
#[repr(C)]
pub struct Api {
    /// Of outputs.
    pub output_get_property: *const c_void,
    /// The value of a property, or null; the host's memory.
    pub input_get_property: Option<unsafe extern "C" fn(*const c_char, *mut c_void) -> *const c_char>,
    /// Of outputs.
    pub output_get_metrics: *const c_void,
    /// The instance's metrics.
    pub input_get_metrics: *const c_void,
    /// Writes a line to the log: level, file, line, format, and what the format asks for.
    pub log_print: Option<unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, ...)>,
    /// Whether the instance logs lines of a level.
    pub input_log_check: Option<unsafe extern "C" fn(*mut c_void, c_int) -> c_int>,
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn fields_lie_where_fluent_bit_has_them() {
        assert_eq!([offset_of!(Definition, proxy), offset_of!(Definition, flags)], [4, 8]);
        assert_eq!([offset_of!(Definition, name), offset_of!(Definition, description)], [16, 24]);
        assert_eq!(size_of::<Definition>(), 32);
        assert_eq!([offset_of!(Plugin, api), offset_of!(Plugin, instance), offset_of!(Plugin, context)], [8, 16, 24]);
        assert_eq!(offset_of!(InputContext, remote_context), 8);
        assert_eq!(
            [offset_of!(Api, input_get_property), offset_of!(Api, log_print), offset_of!(Api, input_log_check)],
            [8, 32, 40]
        );
    }
}
