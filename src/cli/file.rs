//! To be written.

use crate::cli::args::Input;
use crate::cli::report::Failure;

/// To be written.
///
/// # Errors
/// Always, so far.
pub fn add(_input: &mut Input) -> Result<u8, Failure> {
    Err(Failure::new("not built yet"))
}

/// To be written.
///
/// # Errors
/// Always, so far.
pub fn list(_input: &mut Input) -> Result<u8, Failure> {
    Err(Failure::new("not built yet"))
}

/// To be written.
///
/// # Errors
/// Always, so far.
pub fn show(_input: &mut Input) -> Result<u8, Failure> {
    Err(Failure::new("not built yet"))
}

/// To be written.
///
/// # Errors
/// Always, so far.
pub fn restore(_input: &mut Input) -> Result<u8, Failure> {
    Err(Failure::new("not built yet"))
}

/// To be written.
///
/// # Errors
/// Always, so far.
pub fn remove(_input: &mut Input) -> Result<u8, Failure> {
    Err(Failure::new("not built yet"))
}
