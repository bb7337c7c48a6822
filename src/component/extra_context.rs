//! What an embedding program hands its sources beyond the configuration.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::Arc,
};

/// One value per type, shared by all components.
///
/// This is how a program gives the source what no configuration file can hold: another clock, another HTTP transport, a
/// handle on which to report progress.
#[derive(Clone, Default)]
pub struct ExtraContext(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl ExtraContext {
    /// Adds `value`, replacing one of the same type.
    #[must_use]
    pub fn with<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
        self
    }

    /// The value of type `T`, if the program gave one.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref())
    }
}

impl fmt::Debug for ExtraContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtraContext({} values)", self.0.len())
    }
}
