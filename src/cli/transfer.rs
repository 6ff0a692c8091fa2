//! To be written.

use crate::cli::args::Input;
use crate::cli::report::Failure;

/// To be written.
///
/// # Errors
/// Always, so far.
pub fn copy(_input: &mut Input) -> Result<u8, Failure> {
    Err(Failure::new("not built yet"))
}

/// To be written.
///
/// # Errors
/// Always, so far.
pub fn relocate(_input: &mut Input) -> Result<u8, Failure> {
    Err(Failure::new("not built yet"))
}
