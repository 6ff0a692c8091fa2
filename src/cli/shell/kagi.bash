# kagi's words for bash 3.2 and later: eval "$(kagi completions bash)"
_kagi() {
    local IFS=$' \t\n' line word given kept='' count=0 at own
    local -a words=() begins=()
    COMPREPLY=()
    # bash takes --flag=value for three words; kagi for one.
    for ((at = 1; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]//\\/}
        given=${words[count - (count > 0)]-}
        if [[ $count -gt 0 && $given == --* && ($word == =* || $given == *=) ]]; then
            words[count - 1]=$given$word
        else
            words[count]=$word
            begins[count]=$at
            count=$((count + 1))
        fi
    done
    word=${words[count - 1]}
    if [[ $word == --*=* ]]; then
        [[ $COMP_WORDBREAKS != *=* ]] || kept=${word%%=*}=
        word=${word#*=}
    fi
    while IFS= read -r line; do
        case $line in
        $'\t'files) _kagi_add -f "$word" ;;
        $'\t'directories) _kagi_add -d "$word" ;;
        $'\t'command*)
            at=${begins[${line##* }]}
            own=("${COMPREPLY[@]}")
            if declare -F _comp_command_offset >/dev/null; then
                _comp_command_offset "$at"
            elif declare -F _command_offset >/dev/null; then
                _command_offset "$at"
            elif ((at == COMP_CWORD)); then
                _kagi_add -c "$word"
                own=()
            else
                _kagi_add -f "$word"
                own=()
            fi
            COMPREPLY=("${own[@]}" "${COMPREPLY[@]}")
            ;;
        *)
            line=${line%%$'\t'*}
            printf -v line %q "${line#"$kept"}"
            line=${line//\\,/,}
            COMPREPLY[${#COMPREPLY[@]}]=$line
            ;;
        esac
    done < <(kagi complete -- "${words[@]}" 2>/dev/null)
}

# What bash itself knows: files, directories, commands; each quoted, for their names are anybody's.
_kagi_add() {
    local line
    while IFS= read -r line; do
        [[ $1 == -c || ! -d $line ]] || line=$line/
        printf -v line %q "$line"
        COMPREPLY[${#COMPREPLY[@]}]=$line
    done < <(compgen "$1" -- "$2")
    # A directory goes on.
    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != */ ]] || compopt -o nospace 2>/dev/null || true
}

complete -F _kagi kagi
