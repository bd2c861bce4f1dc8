# Completes verbs, options and their values, beside files. In ~/.config/fish/config.fish:
#     onnx-attribution completion fish | source
function __onnx_attribution
    set -l line (commandline -cp | string replace -r '^\s*\S+\s' '')
    onnx-attribution "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
end
complete -c onnx-attribution -a '(__onnx_attribution)'
