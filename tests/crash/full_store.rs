//! A server whose store is on a disk that is full: a push is there or refused, the server goes on, and with
//! space again the same push works.

use super::common::{Device, World, leftovers};
use super::serving::{Serving, fed};
use super::{INIT, PAGES_MAX, fill};
use std::fs;
use std::path::{Path, PathBuf};

/// What is pushed; `N` is a number that changes each time.
const CHANGES: [&str; 3] = ["set A N", "set web X N", "file add big.pem --force"];

/// A server on one disk, and a project on another.
struct Bench<'a> {
    disk: &'a Path,
    world: World,
    ada: Device,
    at: PathBuf,
}

impl Bench<'_> {
    fn change(&self, line: &str, number: u64) {
        let big = format!("a certificate {number}\n").repeat(5000);
        fs::write(self.at.join("big.pem"), big).expect("a file");
        let words = line.replace('N', &number.to_string());
        self.ada.kagi(&self.at, &words).ok();
    }

    /// The revision that the server has.
    fn revision(&self) -> u64 {
        let status = self.ada.kagi(&self.at, "remote status --json").ok().text();
        let rest = status.split_once("\"revision\": ").expect("a revision").1;
        let digits = rest.split(|end: char| !end.is_ascii_digit()).next();
        digits
            .and_then(|digits| digits.parse().ok())
            .expect("a number")
    }

    /// Steps the free space up to what a push needs; how often it failed.
    fn step(&self, line: &str) -> u64 {
        for pages in 0..PAGES_MAX {
            self.change(line, pages);
            let old = self.revision();
            let filler = fill(self.disk, pages);
            let pushed = self.ada.kagi(&self.at, "push");
            fs::remove_file(filler).expect("a filler");
            let what = format!("{line}: {pages} pages free\n{}", pushed.stderr);
            let is_done = pushed.code == Some(0);
            let is_told = pushed.stderr.contains("no space left on device");
            assert!(is_done || is_told && pushed.code == Some(1), "{what}");
            assert_eq!(self.revision(), old + u64::from(is_done), "{what}");
            if is_done {
                return pages;
            }
            self.ada.kagi(&self.at, "push").ok();
            assert_eq!(self.revision(), old + 1, "{what}");
        }
        panic!("{line}: not even {PAGES_MAX} pages are enough");
    }
}

/// What was tried on a disk.
pub fn try_all(disk: &Path) -> String {
    let far = World {
        root: disk.join("place"),
    };
    fs::create_dir(&far.root).expect("a directory");
    let serving = Serving::start(&far);
    let world = World::new();
    let mut ada = world.device("Ada");
    let admin = ("KAGI_ADMIN_TOKEN", serving.admin.clone());
    ada.variables.push(admin);
    let at = world.directory("work");
    let (url, print) = (&serving.url, &serving.print);
    ada.kagi(&at, INIT).ok();
    let join = format!("project join --remote {url} --fingerprint {print}");
    let told = ada.kagi(&at, &join).ok().text();
    let id = told.split_whitespace().last().expect("an id");
    let approve = format!("project approve {id} --remote {url}");
    let token = ada.kagi(&at, &approve).ok().text();
    fed(&ada, &at, "pull -", &token).ok();
    ada.kagi(&at, "push").ok();
    let bench = Bench {
        disk,
        world,
        ada,
        at,
    };
    let failures: u64 = CHANGES.iter().map(|line| bench.step(line)).sum();
    assert!(failures > 0, "it was not full");
    drop(serving);
    let checked = bench.ada.kagi(&far.root, "serve --check --store store");
    checked.ok();
    let stray = [leftovers(&far.root), leftovers(&bench.world.root)].concat();
    assert_eq!(stray, Vec::<PathBuf>::new());
    format!(
        "assured: full disk: {} changes pushed to a server with its store on a full disk, {failures} pushes failed \
         with too few pages of 4 KiB and each succeeded in the end",
        CHANGES.len()
    )
}
