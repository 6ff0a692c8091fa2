#compdef kagi
# kagi's words for zsh: eval "$(kagi completions zsh)", or a file _kagi in a directory of $fpath

_kagi() {
    local line name
    local -i begin=-1
    local -a names shown files
    for line in "${(@f)$(kagi complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        case $line in
            ($'\t'files) files=(-g '*') ;;
            ($'\t'directories) files=(-/) ;;
            ($'\t'command*) begin=${line##* }+1 ;;
            (?*)
                name=${line%%$'\t'*}
                names+=("$name")
                shown+=("$name  ${line#*$'\t'}")
                ;;
        esac
    done
    # compadd quotes what it inserts.
    (( ! $#names )) || compadd -l -d shown -a names
    if (( begin > 0 )); then
        shift $begin words
        (( CURRENT -= begin ))
        _normal
    elif (( $#files )); then
        [[ $PREFIX != --*=* ]] || compset -P '*='
        _files $files
    fi
}

if [[ $funcstack[1] == _kagi ]]; then
    _kagi "$@"
else
    compdef _kagi kagi
fi
