#compdef onnx-attribution
# Completes verbs, options and their values; where there are none, files. In ~/.zshrc, after compinit:
#     eval "$(onnx-attribution completion zsh)"
_onnx_attribution() {
    local line="${(j: :)words[2,CURRENT]}"
    local -a suggestions
    # without quotes: of nothing not one empty suggestion, but none
    suggestions=(${(f)"$("$words[1]" "[suggest:${#line}]" "$line" 2>/dev/null)"})
    compadd -a suggestions || _files
}
compdef _onnx_attribution onnx-attribution
