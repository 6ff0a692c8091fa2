//! The state of a project: the files that are synced, in memory.

use crate::project::Site;
use std::path::Path;

impl Site {
    /// Where a project will be.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Site { root: root.to_path_buf(), up: String::new(), below: String::new(), commit: None }
    }
}
