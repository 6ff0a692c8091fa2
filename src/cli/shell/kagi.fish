# kagi's words for fish: kagi completions fish | source
function __kagi_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l word "$(commandline -ct)"
    # A value after --flag= is completed as a word of its own.
    set -l kept (string match -r '^--[^=]*=' -- $word)
    set -l begun (string replace -r '^--[^=]*=' '' -- $word)
    for line in (kagi complete -- $words $word 2>/dev/null)
        switch $line
            case \t'files'
                printf '%s\n' "$kept"(__fish_complete_path $begun)
            case \t'directories'
                printf '%s\n' "$kept"(__fish_complete_directories $begun)
            case \t'command *'
                # kagi counts from 0, fish from 1.
                set -l begin (string split ' ' -- $line)[2]
                set -e words[1..$begin]
                complete -C (string join ' ' -- (string escape -- $words) $word)
            case '*'
                # fish quotes what it inserts, and takes what follows the tab for a description.
                printf '%s\n' $line
        end
    end
end

complete -c kagi -f -a '(__kagi_complete)'
