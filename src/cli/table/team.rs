//! The commands for environments, members and keys.

use crate::cli::command::{ACCEPT_OLDER, Command, ENV, JSON, NO_GIT, SERVICE, YES, flag};
use crate::cli::{envs, identity, keychain, keytext, member};

/// In the order of the overview.
pub static TEAM: &[Command] = &[
    Command {
        name: "env list",
        words: "",
        about: "list the environments",
        details: "The default one is marked.",
        examples: &["kagi env list"],
        flags: &[JSON],
        run: envs::list,
    },
    Command {
        name: "env add",
        words: "NAME",
        about: "add an environment",
        details: "Only a full member can: the members' keys are wrapped anew.",
        examples: &["kagi env add staging"],
        flags: &[],
        run: envs::add,
    },
    Command {
        name: "env rename",
        words: "OLD NEW",
        about: "rename an environment, with all its scopes",
        details: "Every scope is encrypted anew under its new name.",
        examples: &["kagi env rename staging preview"],
        flags: &[],
        run: envs::rename,
    },
    Command {
        name: "env del",
        words: "NAME",
        about: "delete an environment and all its scopes, after a y",
        details: "The default environment cannot be deleted.",
        examples: &["kagi env del preview"],
        flags: &[YES],
        run: envs::del,
    },
    Command {
        name: "member join",
        words: "",
        about: "ask to become a member, from a new device",
        details: "Writes a request below .kagi/requests, and prints what to send to a member. The id in it is the\n\
                  fingerprint of this device's key. After the approval the first opening asks for the id of who approved,\n\
                  unless --trust has named it. Where the project is on a server, the request goes\n\
                  there as well.",
        examples: &[
            "kagi member join --name laptop",
            "kagi member join --trust kgm_q3f7xw2mcn5t4a6bz3do",
        ],
        flags: &[
            flag("name", "NAME", "this device's name in the project (default: user@host)"),
            flag("trust", "ID", "the member who will approve"),
            NO_GIT,
        ],
        run: member::join,
    },
    Command {
        name: "member list",
        words: "",
        about: "list members with what they may open, requests, and removed ids",
        details: "* is everything; only such a member changes members, environments and keys.",
        examples: &["kagi member list", "kagi member list --json"],
        flags: &[JSON],
        run: member::list,
    },
    Command {
        name: "member approve",
        words: "[ID]",
        about: "let a device in that has asked",
        details: "Compare the id with what the other device shows: it is the fingerprint of the key. Without a terminal\n\
                  the full id is the whole confirmation.",
        examples: &[
            "kagi member approve kgm_q3f7xw2mcn5t4a6bz3do",
            "kagi member approve kgm_q3f7xw2mcn5t4a6bz3do --only api/development,*/staging",
        ],
        flags: &[
            flag("only", "GRANT,…", "SERVICE/ENV, SERVICE/*, */ENV; without it everything"),
            flag("name", "NAME", "another name than the one asked for"),
        ],
        run: member::approve,
    },
    Command {
        name: "member add",
        words: "",
        about: "make a member for CI, or one to keep on paper, and show its identity once",
        details: "The identity goes to KAGI_IDENTITY, or with --offline on paper; kagi keeps no copy. It survives rotations\n\
                  and changes of members.",
        examples: &[
            "kagi member add --name ci --only api/production",
            "kagi member add --name paper --offline",
        ],
        flags: &[
            flag("name", "NAME", "its name in the project"),
            flag("only", "GRANT,…", "SERVICE/ENV, SERVICE/*, */ENV; * is everything"),
            flag(
                "offline",
                "",
                "in groups, to write down; opens everything, unless --only says less",
            ),
        ],
        run: member::add,
    },
    Command {
        name: "member grant",
        words: "MEMBER GRANT,…",
        about: "give a member more; or with --only just these grants",
        details: "A member is named by its id, or by a name that no other has. A reduction asks, and encrypts everything\n\
                  under a new key.",
        examples: &[
            "kagi member grant ci web/production",
            "kagi member grant ci api/production --only",
        ],
        flags: &[flag("only", "", "take away everything else"), ACCEPT_OLDER, YES],
        run: member::grant,
    },
    Command {
        name: "member rename",
        words: "MEMBER NAME",
        about: "give a member another name",
        details: "The name is for people; the id stays.",
        examples: &["kagi member rename kgm_q3f7xw2mcn5t4a6bz3do laptop"],
        flags: &[],
        run: member::rename,
    },
    Command {
        name: "member del",
        words: "MEMBER",
        about: "remove a member, and encrypt everything under a new key, after a y",
        details: "What the member could read stays known to it: the keys are listed, here and in status, until each\n\
                  has a new value. A removed id never comes back. Its tokens on a server end with the next\n\
                  kagi push; those of nobody's (kagi token list) do not.",
        examples: &["kagi member del kgm_q3f7xw2mcn5t4a6bz3do"],
        flags: &[ACCEPT_OLDER, YES],
        run: member::del,
    },
    Command {
        name: "key rotate",
        words: "",
        about: "encrypt everything under a new key, without removing anybody, after a y",
        details: "Identities go on working; a key in KAGI_PROJECT_KEY does not.",
        examples: &["kagi key rotate"],
        flags: &[ACCEPT_OLDER, YES],
        run: member::rotate_key,
    },
    Command {
        name: "key export",
        words: "[service [env]]",
        about: "show a key for KAGI_PROJECT_KEY, after a y",
        details: "Without words the key of the whole project; with them the key of one scope, which opens nothing else\n\
                  and cannot change who is a member. It fits until the next rotation.",
        examples: &["kagi key export api production", "kagi key export > /run/secrets/kagi"],
        flags: &[SERVICE, ENV],
        run: keytext::export_key,
    },
    Command {
        name: "identity show",
        words: "",
        about: "show this device's member id and public key",
        details: "The id is the fingerprint of the key: whoever approves you compares nothing else.",
        examples: &["kagi identity show"],
        flags: &[JSON],
        run: identity::show,
    },
    Command {
        name: "identity store",
        words: "[keychain|file]",
        about: "keep the identity and tokens in the keychain of the system, or in files",
        details: "Moves the identity and the tokens of all servers; those that come later go there too. A device without\n\
                  an identity gets one that never was in a file. Without a word it says what is where.\n\
                  The keychain is asked by secret-tool (Linux: GNOME Keyring, KWallet), security (macOS) or PowerShell\n\
                  (Windows: a file that only this user's login opens); kagi run starts it once then. It protects a disk\n\
                  or a backup in the wrong hands, not from programs of the same user. A keychain that is locked or\n\
                  missing is an error, and never replaced by a file; KAGI_IDENTITY and KAGI_PROJECT_KEY need none.",
        examples: &[
            "kagi identity store",
            "kagi identity store keychain",
            "kagi identity store file",
        ],
        flags: &[],
        run: keychain::store,
    },
    Command {
        name: "identity export",
        words: "",
        about: "show this device's identity as text, after a y",
        details: "To be kept on paper, or brought to a new device. Whoever has it opens what this device opens.",
        examples: &["kagi identity export --groups", "kagi identity export > /media/usb/identity"],
        flags: &[flag("groups", "", "in groups of four, to be written down")],
        run: keytext::export_identity,
    },
    Command {
        name: "identity import",
        words: "",
        about: "make an identity this device's own",
        details: "From a file, from standard input, or typed without being shown; in groups or not, in either case.\n\
                  Another identity that is here is replaced only with --force, and kept as identity.json.backup-N.",
        examples: &["kagi identity import", "kagi identity import --file /media/usb/identity"],
        flags: &[
            flag("file", "PATH", "the file (- for standard input)"),
            flag("force", "", "replace another identity, after a y"),
            YES,
        ],
        run: keytext::import_identity,
    },
];
