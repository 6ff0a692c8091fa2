# kagi's words for PowerShell: kagi completions powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName kagi -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        Select-Object -Skip 1 | ForEach-Object { $_.Extent.Text })
    # An empty word would not come through: kagi takes a pair of quotes for one.
    $words += if ($wordToComplete) { $wordToComplete } else { "''" }
    & kagi complete -- @words 2>$null | ForEach-Object {
        $name, $about = $_ -split "`t", 2
        # Files and commands: where nothing is returned, PowerShell completes them itself.
        if ($name) {
            $text = if ($name -match '^[A-Za-z0-9_./:+=-]+$') { $name } else {
                # PowerShell ends such a text at each of these signs.
                "'" + ($name -replace "['\u2018-\u201b]", '$0$0') + "'"
            }
            if (-not $about) { $about = $name }
            [System.Management.Automation.CompletionResult]::new($text, $name, 'ParameterValue', $about)
        }
    }
}
