//! Whether a source runs for ever.

/// How long a source runs. A program puts this into the [`ExtraContext`](crate::component::ExtraContext).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RunMode {
    /// Until it is shut down.
    #[default]
    Continuous,
    /// Until everything available now has been delivered. The source then ends with `Ok(())`, or with `Err(())` when
    /// something stayed undelivered.
    Once,
}
