//! Which instance the host means.
//!
//! Only two callbacks say so, and only on newer hosts. The others are known by their thread: each instance has one of its
//! own, on which the host makes all its calls. Only with `threaded: off` do several share one.

use std::{
    ffi::c_void,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
};

use crate::instance::Instance;

/// An instance, shared between the calls that mean it.
pub(crate) type Shared = Arc<Mutex<Instance>>;

struct Entry {
    id: usize,
    thread: ThreadId,
    instance: Shared,
}

static INSTANCES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
static NEXT_ID: AtomicUsize = AtomicUsize::new(1);

fn instances() -> MutexGuard<'static, Vec<Entry>> {
    INSTANCES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds an instance of the present thread. The pointer is for the host to hand back; it points nowhere.
pub(crate) fn add(instance: Instance) -> *mut c_void {
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let thread = thread::current().id();
    instances().push(Entry { id, thread, instance: Arc::new(Mutex::new(instance)) });
    ptr::without_provenance_mut(id)
}

/// The instance with the pointer that [`add`] returned; for any other pointer, the first one of the present thread.
pub(crate) fn find(context: *mut c_void) -> Option<Shared> {
    let instances = instances();
    let thread = thread::current().id();
    let meant = instances.iter().find(|entry| entry.id == context.addr());
    let meant = meant.or_else(|| instances.iter().find(|entry| entry.thread == thread));
    meant.map(|entry| Arc::clone(&entry.instance))
}

/// The instances of the present thread.
pub(crate) fn of_this_thread() -> Vec<Shared> {
    let thread = thread::current().id();
    instances().iter().filter(|entry| entry.thread == thread).map(|entry| Arc::clone(&entry.instance)).collect()
}

/// Takes off the last instance of the present thread: the host ends instances in the reverse order of their beginning, and
/// frees each right after its end.
///
/// Source: `flb_input_exit_all` in Fluent Bit's `src/flb_input.c`, which walks with `mk_list_foreach_safe_r`.
pub(crate) fn remove() -> Option<Shared> {
    let thread = thread::current().id();
    let mut instances = instances();
    let last = instances.iter().rposition(|entry| entry.thread == thread)?;
    Some(instances.remove(last).instance)
}
