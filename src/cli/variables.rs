//! Names of variables that a value should not be injected under.
//!
//! Refuses, unless somebody insists: names that load code into programs, start other programs, or
//! change kagi itself. Whoever may write a scope could run code through them.

/// Prefixes of variables that load code into programs or change kagi itself.
#[rustfmt::skip]
const UNSAFE_PREFIXES: [&str; 8] = [
    "LD_", "DYLD_", "KAGI_", "BASH_FUNC_", "GIT_CONFIG", "NPM_CONFIG_", "COR_PROFILER", "CORECLR_PROFILER",
];
/// Variables that load code, start programs or change how a shell reads its script.
#[rustfmt::skip]
const UNSAFE_NAMES: [&str; 78] = [
    // Shells.
    "PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "CDPATH",
    "GLOBIGNORE", "ZDOTDIR", "FPATH",
    // Programs that others start.
    "EDITOR", "VISUAL", "PAGER", "BROWSER", "SHELL", "COMSPEC", "LESSOPEN", "LESSCLOSE",
    "SSH_ASKPASS", "SUDO_ASKPASS",
    "GIT_SSH", "GIT_SSH_COMMAND", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_ASKPASS",
    "GIT_EDITOR", "GIT_PAGER",
    "GIT_PROXY_COMMAND", "GIT_TEMPLATE_DIR", "GIT_DIR", "GIT_WORK_TREE",
    // Languages.
    "NODE_OPTIONS", "NODE_PATH", "PERL5LIB", "PERL5OPT", "PERL5DB", "PERLLIB", "RUBYLIB",
    "RUBYOPT", "PHPRC", "PHP_INI_SCAN_DIR",
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT",
    "PYTHONUSERBASE",
    "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH",
    "DOTNET_STARTUP_HOOKS",
    "LUA_INIT", "LUA_PATH", "LUA_CPATH", "ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS",
    // What builds, and libraries that load others.
    "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "MAKEFLAGS", "GEM_PATH", "GEM_HOME",
    "BUNDLE_GEMFILE", "MAVEN_OPTS",
    "GRADLE_OPTS", "GCONV_PATH", "LOCPATH", "NLSPATH", "OPENSSL_CONF", "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
    // Windows.
    "PATHEXT", "SYSTEMROOT", "WINDIR", "PSMODULEPATH",
];

/// For each length, a bit for the first letter of each name above that has it: most names of others are
/// told apart by that.
const FIRST_LETTERS: [u32; 32] = {
    let mut letters = [0; 32];
    let mut at = 0;
    while at < UNSAFE_NAMES.len() {
        letters[UNSAFE_NAMES[at].len()] |= letter_bit(UNSAFE_NAMES[at].as_bytes()[0]);
        at += 1;
    }
    letters
};

/// The same of the prefixes.
const PREFIX_LETTERS: u32 = {
    let mut letters = 0;
    let mut at = 0;
    while at < UNSAFE_PREFIXES.len() {
        letters |= letter_bit(UNSAFE_PREFIXES[at].as_bytes()[0]);
        at += 1;
    }
    letters
};

/// The bit of a letter in either case.
const fn letter_bit(letter: u8) -> u32 {
    1 << (letter & 0x1f)
}

/// True for a name that a value should not be injected under unless somebody insists.
#[must_use]
pub fn is_unsafe_key(name: &str) -> bool {
    let letter = name.bytes().next().map_or(0, letter_bit);
    let letters = FIRST_LETTERS.get(name.len()).copied().unwrap_or(0);
    let is_it = |other: &&str| other.eq_ignore_ascii_case(name);
    let begins = |prefix: &&str| {
        let head = name.as_bytes().get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    (letters & letter != 0 && UNSAFE_NAMES.iter().any(is_it))
        || (PREFIX_LETTERS & letter != 0 && UNSAFE_PREFIXES.iter().any(begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_holds_in_any_case_and_names_whole_words() {
        assert!(["ld_preload", "PATH", "Path", "KAGI_HOME"].into_iter().all(is_unsafe_key));
        assert!(!["PATHS", "MY_PATH", "GIT_TOKEN", "_", "", "LD"].into_iter().any(is_unsafe_key));
        assert!(UNSAFE_NAMES.into_iter().chain(UNSAFE_PREFIXES).all(is_unsafe_key));
        assert!(UNSAFE_NAMES.iter().all(|name| is_unsafe_key(&name.to_ascii_lowercase())));
        assert!(!UNSAFE_NAMES.iter().any(|name| is_unsafe_key(&format!("MY{name}"))));
    }
}
