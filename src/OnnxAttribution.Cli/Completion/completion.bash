# Completes verbs, options and their values; where there are none, files. In ~/.bashrc:
#     eval "$(onnx-attribution completion bash)"
_onnx_attribution() {
    local program=${COMP_LINE%%[[:space:]]*} word=${COMP_WORDS[COMP_CWORD]} suggestion
    local line=${COMP_LINE:${#program}+1} position=$((COMP_POINT - ${#program} - 1))
    COMPREPLY=()
    [[ $word != = ]] || word=
    while IFS= read -r suggestion; do
        # of --metric=lo bash has the last part in its hand only
        [[ $suggestion != --*=* || $word == --* ]] || suggestion=${suggestion#*=}
        [[ $suggestion != "$word"* ]] || COMPREPLY+=("$suggestion")
    done < <("$1" "[suggest:$position]" "$line" 2>/dev/null)
}
complete -o default -F _onnx_attribution onnx-attribution
