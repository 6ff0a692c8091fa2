# kagi's words for elvish: eval (kagi completions elvish | slurp)
use str

set edit:completion:arg-completer[kagi] = {|@words|
    kagi complete -- (all $words[1..]) 2>/dev/null | from-lines | each {|line|
        var name about = (str:split &max=2 "\t" $line)
        if (not-eq $name '') {
            # elvish quotes what it inserts.
            edit:complex-candidate $name &code-suffix=' ' &display=$name'  '$about
        } elif (str:has-prefix $about 'command ') {
            var begin = (+ 1 (num (str:trim-prefix $about 'command ')))
            edit:complete-sudo kagi (all $words[$begin..])
        } else {
            edit:complete-filename $@words
        }
    }
}
