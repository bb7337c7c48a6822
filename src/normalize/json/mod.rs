//! JSON on its way from a record to an event: borrowed, never decoded further than a rule needs.

mod annotations;
mod node;
mod pruned;
mod scan;

pub(crate) use self::annotations::without_annotations;
pub(crate) use self::node::{Node, NotJson, Object, Repeated, split_path, write_string};
pub(crate) use self::pruned::write_pruned;
pub(crate) use self::scan::{Members, Scanner, decode};
