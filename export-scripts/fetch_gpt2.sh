#!/usr/bin/env bash
# Fetches GPT-2 and the dictionaries that people use with it from the Hugging Face hub.
# Needs bash 3.2 or later, curl, awk, and sha256sum or shasum.
#
# 1. Each repository's list of files (the hub's tree API) gives sizes and checksums: SHA-256 of LFS files, git's blob SHA-1 of small ones.
# 2. What is there with the right size is left alone. Everything else is fetched into FILE.part, taken up again where a connection dropped,
#    checked against its checksum and only then renamed: a file without .part is whole.
# 3. The export command of what was fetched is printed.
#
# Names of repositories and files as published: sae_lens/pretrained_saes.yaml of SAELens 6.
set -euo pipefail
export LC_ALL=C

usage() {
    cat <<'HELP'
Fetch GPT-2 and the dictionaries that people use with it from the Hugging Face hub.

usage: fetch_gpt2.sh [options]

  --dictionaries LIST   res-jb    13 residual sites, 24,576 features                 2.0 GB
                        v5-32k    attn_out, mlp_out, resid_mid, resid_post, TopK 32  9.7 GB
                        v5-128k   the same sites with 131,072 features               39 GB
                        hook_z    attention heads before W_O, all layers             2.1 GB
                        several are separated by commas; default: none, the model only
  --sites LIST          only these sites of the dictionaries: resid_pre, resid_mid, resid_post, attn_out, mlp_out, hook_z
  --layers LIST         only these layers, as 0-3,7
  --model NAME          gpt2, gpt2-medium, gpt2-large, gpt2-xl or distilgpt2; default: gpt2, whose dictionaries these are
  --out DIR             where to; default: the model's name
  --revision [REPO=]REV a branch, tag or commit, of all repositories or of one; may be given again; default: main
  --list                say what would be fetched, and how large it is
  --verify              check files that are there by checksum, not by size alone
  --retries N           give up after N tries in a row that bring no byte; default: 6
  --retry-delay SECONDS before the first new try, doubled from try to try up to a minute; default: 1
  --help                this text

HF_ENDPOINT is the hub's address (https://huggingface.co). HF_TOKEN, if set, is sent to the hub by https, to no other host, and
never printed.
A run that was interrupted goes on where it stopped. Dictionaries are laid out as DIR/dictionaries/RELEASE/SITE/.

Example: fetch_gpt2.sh --dictionaries res-jb --out gpt2
         fetch_gpt2.sh --dictionaries v5-32k --sites attn_out,mlp_out --layers 0-5 --list
HELP
}

fail() {   # the message, in any number of parts
    echo "fetch_gpt2.sh: $*" >&2
    exit "${exit_code:-1}"
}

misused() { exit_code=2 fail "$1; --help lists the options"; }

# ---- options

model=gpt2 releases='' sites='' layers='' out='' revisions='' list=no verify=no retries=6 delay=1
while [ $# -gt 0 ]; do
    option=$1
    case $option in --*=*) set -- "${option%%=*}" "${option#*=}" "${@:2}"; option=$1 ;; esac
    case $option in
        --help | -h) usage; exit 0 ;;
        --list) list=yes; shift; continue ;;
        --verify) verify=yes; shift; continue ;;
        --model | --dictionaries | --sites | --layers | --out | --revision | --retries | --retry-delay) ;;
        *) misused "there is no option $option" ;;
    esac
    if [ $# -lt 2 ] || [ -z "$2" ]; then misused "$option wants a value"; fi
    case $option in
        --model) model=$2 ;;
        --dictionaries) releases="$releases ${2//,/ }" ;;
        --sites) sites="$sites ${2//,/ }" ;;
        --layers) layers="$layers ${2//,/ }" ;;
        --out) out=${2%/} ;;
        --revision) revisions="$revisions $2" ;;
        --retries) retries=$2 ;;
        --retry-delay) delay=$2 ;;
    esac
    shift 2
done
case $model in
    gpt2 | gpt2-medium | gpt2-large | gpt2-xl) model_repo=openai-community/$model ;;
    distilgpt2) model_repo=distilbert/distilgpt2 ;;
    *) misused "there is no model '$model': gpt2, gpt2-medium, gpt2-large, gpt2-xl or distilgpt2" ;;
esac
for release in $releases; do
    case $release in
        res-jb | v5-32k | v5-128k | hook_z) ;;
        *) misused "there are no dictionaries '$release': res-jb, v5-32k, v5-128k or hook_z" ;;
    esac
done
if [ -n "$releases" ] && [ "$model" != gpt2 ]; then misused "the dictionaries are gpt2's: with --model $model leave out --dictionaries"; fi
if [ -z "$releases" ] && [ -n "$sites$layers" ]; then misused "--sites and --layers choose among dictionaries: give --dictionaries too"; fi
for site in $sites; do
    case $site in
        resid_pre | resid_mid | resid_post | attn_out | mlp_out | hook_z) ;;
        *) misused "there are no dictionaries of a site '$site': resid_pre, resid_mid, resid_post, attn_out, mlp_out or hook_z" ;;
    esac
done
chosen_layers=''
for range in $layers; do
    case $range in *[!0-9-]* | -* | *- | *-*-*) misused "--layers $range is neither a layer nor a range of layers, as 3 or 0-3" ;; esac
    layer=$((10#${range%-*})) last=$((10#${range#*-}))
    if [ "$layer" -gt "$last" ] || [ "$last" -gt 11 ]; then misused "--layers $range: GPT-2 has the layers 0 to 11"; fi
    while [ "$layer" -le "$last" ]; do chosen_layers="$chosen_layers $layer "; layer=$((layer + 1)); done
done
case $retries in '' | *[!0-9]*) misused "--retries $retries is no whole number" ;; esac
case $delay in '' | *[!0-9]*) misused "--retry-delay $delay is no whole number of seconds" ;; esac
[ -n "$out" ] || out=$model

endpoint=${HF_ENDPOINT:-https://huggingface.co}
while [ "${endpoint%/}" != "$endpoint" ]; do endpoint=${endpoint%/}; done
case $endpoint in http://?* | https://?*) ;; *) fail "HF_ENDPOINT is '$endpoint', which does not begin with https:// or http://" ;; esac
# scheme, host and port of an address: what a token is sent to
origin() {
    local scheme=${1%%://*} rest=${1#*://}
    echo "$scheme://${rest%%[/?#]*}"
}
hub=$(origin "$endpoint")
token_goes=yes
if [ -n "${HF_TOKEN:-}" ] && [ "${hub%%://*}" = http ]; then
    token_goes=no
    echo "fetch_gpt2.sh: HF_TOKEN is not sent: HF_ENDPOINT is $hub, and whoever is on the way could read it;" \
        "give an address that begins with https://" >&2
fi
case ${HF_TOKEN:-} in *[!A-Za-z0-9._~+/=-]*)
    fail "HF_TOKEN has a character that no token has (a space or line end, perhaps): set it anew" ;;
esac

for tool in curl awk grep mktemp; do
    command -v "$tool" >/dev/null || fail "needs $tool, which is not installed"
done
command -v sha256sum >/dev/null || command -v shasum >/dev/null || fail "needs sha256sum or shasum, and neither is installed"

# ---- running curl, so that Ctrl-C ends it at once and leaves what came

work=$(mktemp -d) made=''
# the trap speaks here, while curl's complaints go to a file
exec 4>&2
job=''
# beyond its limit a file is refused to curl, which then ends; nobody is killed
trap '' XFSZ
# shellcheck disable=SC2329 # called by trap
stop() {
    trap - INT TERM
    if [ -n "$job" ]; then
        kill "$job" 2>/dev/null || :
        wait "$job" 2>/dev/null || :
    fi
    echo "fetch_gpt2.sh: interrupted; the same command goes on where it stopped" >&4
    exit "$1"
}
# a directory that was made and that nothing came into goes again
trap 'rm -rf "$work"; [ -z "$made" ] || rmdir "$made" 2>/dev/null || :' EXIT
trap 'stop 130' INT
trap 'stop 143' TERM

wait_for_job() {
    local code=0
    wait "$job" || code=$?
    job=''
    return $code
}

pause() {
    sleep "$1" &
    job=$!
    wait_for_job || :
}

# The token goes through a pipe: no other user sees it among the arguments of a process.
curl_config() {
    if [ "$1" = yes ] && [ $token_goes = yes ] && [ -n "${HF_TOKEN:-}" ]; then
        printf 'header = "Authorization: Bearer %s"\n' "$HF_TOKEN"
    fi
}

# run_curl TOKEN LIMIT ARGUMENTS...: TOKEN is yes for the hub alone. Redirects that leave the hub are followed by hand, so that no
# version of curl takes the token along.
# No file grows beyond LIMIT KiB, whatever the server sends (curl's own --max-filesize believes what it announces).
run_curl() {
    local token=$1 limit=$2
    shift 2
    curl_config "$token" | (
        ulimit -f "$limit" 2>/dev/null || :
        exec curl --config - --connect-timeout 30 --speed-limit 1 --speed-time 60 "$@"
    ) &
    job=$!
    wait_for_job
}

worth_another_try() {   # curl's exit code, HTTP status
    case $1 in
        5 | 6 | 7 | 16 | 18 | 28 | 35 | 52 | 55 | 56 | 92) return 0 ;;
        0 | 22) case $2 in 408 | 429 | 5??) return 0 ;; esac ;;
    esac
    return 1
}

# The headers of the last answer that matter, from the file that curl -D wrote: one process for all of them.
read_headers() {
    local name value
    awk '
        /^HTTP\// { lines = "" }
        { sub(/\r$/, ""); at = index($0, ":") }
        at { value = substr($0, at + 1); gsub(/^[ \t]+|[ \t]+$/, "", value); lines = lines tolower(substr($0, 1, at - 1)) "\t" value "\n" }
        END { printf "%s", lines }' "$work/headers" >"$work/named"
    etag='' linked_etag='' linked_size='' length='' location='' link='' error_code='' repo_commit=''
    while IFS=$'\t' read -r name value; do
        case $name in
            etag) etag=$value ;;
            x-linked-etag) linked_etag=$value ;;
            x-linked-size) linked_size=$value ;;
            content-length) length=$value ;;
            location) location=$value ;;
            link) link=$value ;;
            x-error-code) error_code=$value ;;
            x-repo-commit) repo_commit=$value ;;
        esac
    done <"$work/named"
}

# ask METHOD URL: a small request to the hub; sets status and what read_headers reads, leaves $work/body. Tries again where that may help.
ask() {
    local method=$1 url=$2 tries=0 seconds=$delay code head=''
    [ "$method" = HEAD ] && head=--head
    while :; do
        code=0
        : >"$work/body"
        : >"$work/headers"
        # shellcheck disable=SC2086 # nothing where there is no option
        run_curl yes 65536 --silent --show-error $head --dump-header "$work/headers" --output "$work/body" \
            --write-out '%{http_code}' "$url" >"$work/status" 2>"$work/error" || code=$?
        status=$(<"$work/status")
        if [ $code -eq 0 ] && ! worth_another_try 0 "$status"; then read_headers; return; fi
        worth_another_try $code "$status" || fail "$url cannot be asked: $(complaint $code "$status"); check HF_ENDPOINT and the network"
        tries=$((tries + 1))
        [ $tries -lt "$retries" ] || fail "$url does not answer: $(complaint $code "$status"), $tries times;" \
            "check HF_ENDPOINT and the network, then run the same command again"
        pause "$seconds"
        seconds=$((seconds * 2 > 60 ? 60 : seconds * 2))
    done
}

complaint() {   # curl's exit code, HTTP status
    if [ "$1" -eq 0 ] || [ "$1" -eq 22 ]; then echo "HTTP status $2"
    elif [ -s "$work/error" ]; then awk '{ sub(/\r$/, ""); sub(/^curl: /, "curl ") } NF { line = $0 } END { print line }' "$work/error"
    else echo "curl ended with exit code $1"; fi
}

refused() {   # status, repository
    if [ -n "${HF_TOKEN:-}" ] && [ $token_goes = yes ]; then
        fail "the hub refuses $2 (HTTP status $1): the token in HF_TOKEN has no access to it, or there is no such repository;" \
            "accept its terms on $endpoint/$2, or check the token"
    fi
    fail "the hub refuses $2 (HTTP status $1): it is gated, private or does not exist;" \
        "check the name on $endpoint/$2 and set HF_TOKEN to a token that may read it"
}

# a path in an address: everything but what is never quoted, slashes kept or not
encoded() {   # text, characters kept beside letters and digits
    local text=$1 result='' c i
    for ((i = 0; i < ${#text}; i++)); do
        c=${text:i:1}
        case $c in
            [A-Za-z0-9._~-]) result=$result$c ;;
            *) case $2 in *"$c"*) result=$result$c ;; *) result=$result$(printf '%%%02X' "'$c") ;; esac ;;
        esac
    done
    echo "$result"
}

revision_of() {   # repository: the last --revision that speaks of it
    local revision=main entry
    for entry in $revisions; do
        case $entry in
            "$1="*) revision=${entry#*=} ;;
            *=*) ;;
            *) revision=$entry ;;
        esac
    done
    echo "$revision"
}

# ---- what a repository holds

# A page of the tree API on stdin, one line per file on stdout: path, size, kind of checksum, checksum.
# An LFS file's own oid is that of its pointer; what it holds has lfs.oid.
files_of_page() {
    grep -oE '"([^"\\]|\\.)*"|[][{},:]|[^][{},:"[:space:]]+' | awk '
        function text(token) {
            if (token !~ /^"/) return token
            token = substr(token, 2, length(token) - 2)
            while (match(token, /\\u00[2-7][0-9a-fA-F]/)) {
                letter = ascii[tolower(substr(token, RSTART + 4, 2))]
                token = substr(token, 1, RSTART - 1) letter substr(token, RSTART + 6)
            }
            gsub(/\\\//, "/", token); gsub(/\\"/, "\"", token); gsub(/\\\\/, "\\", token)
            return token
        }
        BEGIN { for (i = 32; i < 127; i++) ascii[sprintf("%02x", i)] = sprintf("%c", i) }
        /^[[{]$/ { depth++; name[depth] = ""; if (depth == 2) { split("", file); split("", lfs) } value = ""; next }
        /^[]}]$/ {
            if (depth == 2 && file["type"] == "file") {
                size = ("size" in lfs) ? lfs["size"] : file["size"]
                if (size !~ /^[0-9]+$/) size = "-"
                kind = "-"
                if ("oid" in lfs) { sum = lfs["oid"]; if (length(sum) == 64) kind = "sha256" }
                else { sum = file["oid"]; if (length(sum) == 40) kind = "git" }
                if (sum !~ /^[0-9a-f]+$/) kind = "-"
                print file["path"] "\t" size "\t" kind "\t" (kind == "-" ? "-" : sum)
            }
            depth--; next
        }
        /^:$/ { name[depth] = value; next }
        /^,$/ { name[depth] = ""; next }
        {
            value = text($0)
            if (depth == 2 && name[2] != "") file[name[2]] = value
            if (depth == 3 && name[2] == "lfs" && name[3] != "") lfs[name[3]] = value
        }'
}

# The list of a repository in $work/trees/REPO; empty where the server has none (a plain mirror): then sizes and checksums come with
# each file.
read_tree() {
    local repo=$1 revision url base file
    file=$work/trees/$repo
    [ -e "$file" ] && return
    mkdir -p "${file%/*}"
    revision=$(revision_of "$repo")
    base=$endpoint/api/models/$repo/tree/$(encoded "$revision" '')
    url="$base?recursive=true"
    : >"$file.new"
    while [ -n "$url" ]; do
        ask GET "$url"
        case $status in
            200) ;;
            401 | 403) refused "$status" "$repo" ;;
            404)
                case $error_code in
                    RepoNotFound) fail "there is no repository $repo at $endpoint (404); check HF_ENDPOINT, or whether it has moved" ;;
                    RevisionNotFound)
                        fail "$repo has no revision '$revision' (404); check --revision against $endpoint/$repo/commits/main" ;;
                esac
                echo "fetch_gpt2.sh: $endpoint has no list of the files of $repo; names are taken as published," \
                    "sizes and checksums from the answers" >&2
                : >"$file.new"
                break ;;
            *) fail "$url answers with HTTP status $status; check HF_ENDPOINT" ;;
        esac
        case $(head -c 100 "$work/body" | tr -d ' \t\r\n' | cut -c 1) in
            '[') ;;
            *) fail "$url answers with something that is no list of files; check HF_ENDPOINT" ;;
        esac
        files_of_page <"$work/body" >>"$file.new"
        # of the next page's address only the question is taken: it is asked of the same hub
        url=''
        case $link in *'rel="next"'*)
            link=${link%%>; rel=\"next\"*}
            link=${link##*<}
            [ "${link#*\?}" != "$link" ] && url="$base?${link#*\?}" ;;
        esac
    done
    mv "$file.new" "$file"
}

# plan REPO PATH FOLDER required|optional: a line of $work/plan for a file that goes to FOLDER
plan() {
    local repo=$1 path=$2 folder=$3 need=$4 line
    if [ -s "$work/trees/$repo" ]; then
        line=$(awk -F '\t' -v path="$path" '$1 == path { print $2 "\t" $3 "\t" $4; exit }' "$work/trees/$repo")
        if [ -z "$line" ]; then
            [ "$need" = optional ] && return
            fail "$repo has no $path at revision '$(revision_of "$repo")';" \
                "check --revision: its files are on $endpoint/$repo/tree/$(revision_of "$repo")"
        fi
    else
        line=$(printf -- '-\t-\t-')
    fi
    printf '%s\t%s\t%s\t%s\t%s\n' "$repo" "$path" "$folder/${path##*/}" "$need" "$line" >>"$work/plan"
}

plan_saelens() {   # repository, its folder, where to
    plan "$1" "$2/cfg.json" "$3" required
    plan "$1" "$2/sae_weights.safetensors" "$3" required
    plan "$1" "$2/sparsity.safetensors" "$3" optional
}

wanted() {   # site, layer
    case " $sites " in '  ' | *" $1 "*) ;; *) return 1 ;; esac
    case "$chosen_layers" in '' | *" $2 "*) ;; *) return 1 ;; esac
}

plan_res_jb() {
    local repo=jbloom/GPT2-Small-SAEs-Reformatted layer
    for layer in 0 1 2 3 4 5 6 7 8 9 10 11; do
        if wanted resid_pre $layer; then
            read_tree $repo
            plan_saelens $repo blocks.$layer.hook_resid_pre "$1/blocks.$layer.hook_resid_pre"
        fi
    done
    if wanted resid_post 11; then read_tree $repo; plan_saelens $repo blocks.11.hook_resid_post "$1/blocks.11.hook_resid_post"; fi
}

plan_v5() {   # where to, 32k or 128k
    local site layer repo folder
    for site in attn_out mlp_out resid_mid resid_post; do
        repo=jbloom/GPT2-Small-OAI-v5-$2-${site/_/-}-SAEs
        for layer in 0 1 2 3 4 5 6 7 8 9 10 11; do
            wanted $site $layer || continue
            read_tree "$repo"
            folder=v5_$2_layer_$layer
            # one of the eight repositories names its folders as files
            if [ "$2-$site" = 32k-resid_post ]; then folder=$folder.pt; fi
            if [ -s "$work/trees/$repo" ] && ! grep -qF "$folder/cfg.json" "$work/trees/$repo"; then
                case $folder in *.pt) folder=${folder%.pt} ;; *) folder=$folder.pt ;; esac
            fi
            plan_saelens "$repo" "$folder" "$1/blocks.$layer.hook_$site"
        done
    done
}

hook_z_run() {
    case $1 in
        0) echo L0_Hcat_z_lr1.20e-03_l11.80e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9 ;;
        1) echo L1_Hcat_z_lr1.20e-03_l18.00e-01_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v5 ;;
        2) echo L2_Hcat_z_lr1.20e-03_l11.00e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v4 ;;
        3) echo L3_Hcat_z_lr1.20e-03_l19.00e-01_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9 ;;
        4) echo L4_Hcat_z_lr1.20e-03_l11.10e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v7 ;;
        5) echo L5_Hcat_z_lr1.20e-03_l11.00e+00_ds49152_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9 ;;
        6) echo L6_Hcat_z_lr1.20e-03_l11.10e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9 ;;
        7) echo L7_Hcat_z_lr1.20e-03_l11.10e+00_ds49152_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9 ;;
        8) echo L8_Hcat_z_lr1.20e-03_l11.30e+00_ds24576_bs4096_dc1.00e-05_rsanthropic_rie25000_nr4_v6 ;;
        9) echo L9_Hcat_z_lr1.20e-03_l11.20e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9 ;;
        10) echo L10_Hcat_z_lr1.20e-03_l11.30e+00_ds24576_bs4096_dc1.00e-05_rsanthropic_rie25000_nr4_v9 ;;
        11) echo L11_Hcat_z_lr1.20e-03_l13.00e+00_ds24576_bs4096_dc3.16e-06_rsanthropic_rie25000_nr4_v9 ;;
    esac
}

plan_hook_z() {
    local repo=ckkissane/attn-saes-gpt2-small-all-layers layer run
    for layer in 0 1 2 3 4 5 6 7 8 9 10 11; do
        wanted hook_z $layer || continue
        read_tree $repo
        run=gpt2-small_$(hook_z_run $layer)
        plan $repo "${run}_cfg.json" "$1/blocks.$layer.attn.hook_z" required
        plan $repo "$run.pt" "$1/blocks.$layer.attn.hook_z" required
    done
}

# ---- fetching a file

# KiB that a directory's disk has left; a terabyte where df does not say
room_in() { df -Pk "$1" 2>/dev/null | awk 'NR == 2 && $4 ~ /^[0-9]+$/ { room = $4 } END { print room == "" ? 1073741824 : room }'; }

size_of() { if [ -e "$1" ]; then echo $(($(wc -c <"$1"))); else echo 0; fi; }

bytes() {
    local n=$1 unit
    if [ "$n" = - ]; then echo '?'; return; fi
    if [ "$n" -lt 1000 ]; then echo "$n bytes"; return; fi
    for unit in kB MB GB; do
        if [ "$n" -lt 1000000 ] || [ $unit = GB ]; then echo "$((n / 1000)).$((n % 1000 / 100)) $unit"; return; fi
        n=$((n / 1000))
    done
}

sum_of() {   # kind, file: its SHA-256, or the SHA-1 that git gives it
    case $1 in
        sha256) if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi <"$2" ;;
        git) { printf 'blob %d\0' "$(size_of "$2")"; cat "$2"; } | if command -v sha1sum >/dev/null; then sha1sum; else shasum -a 1; fi ;;
    esac | cut -d ' ' -f 1
}

named() { case $1 in sha256) echo SHA-256 ;; git) echo "git blob SHA-1" ;; esac; }

# Where a file lies: sets place and token. The hub is asked without the body; a redirect within the hub is followed with the token,
# one to another host ends the search.
# Sets size, kind and sum too, where no list gave them.
locate() {
    local repo=$1 path=$2 hops=0 tag next
    place=$endpoint/$repo/resolve/$(encoded "$(revision_of "$repo")" '')/$(encoded "$path" /)
    token=yes
    while :; do
        ask HEAD "$place"
        tag=${linked_etag:-$etag}
        tag=${tag#W/}
        tag=${tag//\"/}
        [ "$kind" != - ] || case ${#tag} in 64) kind=sha256 sum=$tag ;; 40) kind=git sum=$tag ;; esac
        if [ "$size" = - ]; then size=${linked_size:--}; fi
        [ $hops -gt 0 ] || commit=$repo_commit
        case $status in
            200)
                if [ "$size" = - ]; then size=${length:--}; fi
                return 0 ;;
            301 | 302 | 303 | 307 | 308) ;;
            401 | 403) refused "$status" "$repo" ;;
            404) return 4 ;;
            *) fail "$place answers with HTTP status $status; run the same command again later" ;;
        esac
        next=$location
        case $next in
            http://* | https://*) place=$next ;;
            //*) place=${hub%%://*}:$next ;;
            /*) place=$hub$next ;;
            *) fail "$place is redirected to '$next', which is no address" ;;
        esac
        if [ "$(origin "$place")" != "$hub" ]; then token=no; return 0; fi
        hops=$((hops + 1))
        [ $hops -lt 10 ] || fail "$endpoint redirects $path of $repo ten times; check HF_ENDPOINT"
    done
}

missing() {   # repository, path
    fail "$1 has no $2 at revision '$(revision_of "$1")' (404 from $endpoint);" \
        "check --revision and HF_ENDPOINT: its files are on $endpoint/$1/tree/$(revision_of "$1")"
}

# fetch REPO PATH FILE: uses and may set size, kind, sum. Returns 4 where there is no such file.
fetch() {
    local repo=$1 path=$2 file=$3 part=$3.part before now failures=0 seconds=$delay code http meter limit
    mkdir -p "${file%/*}" 2>/dev/null || fail "${file%/*} cannot be made; choose another --out"
    while :; do
        before=$(size_of "$part")
        # longer than the file: no beginning of it
        if [ "$size" != - ] && [ "$before" -gt "$size" ]; then rm -f "$part"; before=0; fi
        if [ "$size" != - ] && [ "$before" -eq "$size" ] && [ "$before" -gt 0 ]; then return 0; fi
        # anew for each try: the addresses that the hub redirects to expire
        locate "$repo" "$path" || return 4
        if [ "$size" = 0 ]; then : >"$part"; return 0; fi
        if [ "$size" != - ] && [ "$before" -ge "$size" ]; then continue; fi
        meter='--silent --show-error'
        if [ -t 2 ]; then meter=--progress-bar; fi
        # unbuffered: all that came is there when curl is ended
        set -- --fail --no-buffer --output "$part" --write-out '%{http_code}'
        if [ "$before" -gt 0 ]; then set -- "$@" --continue-at "$before"; fi
        if [ $token = no ]; then set -- "$@" --location; fi
        # a little more than it has, so that it shows; of unknown size, what leaves a tenth of the disk's room
        if [ "$size" != - ]; then limit=$((size / 1024 + 2))
        else limit=$((before / 1024 + $(room_in "${file%/*}") * 9 / 10)); fi
        code=0
        # shellcheck disable=SC2086 # one option or two
        if [ -t 2 ]; then run_curl $token $limit $meter "$@" "$place" >"$work/status" || code=$?; : >"$work/error"
        else run_curl $token $limit $meter "$@" "$place" >"$work/status" 2>"$work/error" || code=$?; fi
        http=$(<"$work/status")
        now=$(size_of "$part")
        if [ "$size" != - ] && [ "$now" -gt "$size" ]; then
            rm -f "$part"
            fail "$path of $repo does not end where it should: more than its $size bytes came, and what came is removed;" \
                "run the same command again, and if it comes again check HF_ENDPOINT"
        fi
        if [ "$size" = - ] && [ "$now" -ge $((limit * 1024)) ]; then
            rm -f "$part"
            fail "$path of $repo does not end: $(bytes "$now") came, its size was not announced, and what came is removed" \
                "before it fills the disk; check HF_ENDPOINT"
        fi
        case $code in
            0) if [ "$size" = - ] || [ "$now" -ge "$size" ]; then return 0; fi ;;
            23) fail "$part cannot be written ($(bytes "$now") of it are there): $(complaint $code "$http");" \
                "make room in $out, then run the same command again" ;;
            33) rm -f "$part" ;;   # the server sends whole files only: from the beginning
            22)
                case $http in
                    401 | 403) if [ $token = yes ]; then refused "$http" "$repo"; fi ;;
                    404) return 4 ;;
                    416) rm -f "$part" ;;
                esac ;;
        esac
        case $code-$http in
            0-* | 33-* | 22-416 | 22-403) ;;
            *) worth_another_try $code "$http" \
                || fail "$path of $repo cannot be fetched from $(origin "$place"): $(complaint $code "$http")" ;;
        esac
        failures=$((failures + 1))
        if [ $code -ne 33 ] && [ "$now" -gt "$before" ]; then failures=0 seconds=$delay; fi
        if [ $failures -ge "$retries" ] && [ $failures -gt 0 ]; then
            fail "$path of $repo cannot be fetched from $(origin "$place"): $(complaint $code "$http")," \
                "$failures times without a further byte;" \
                "run the same command again later, it goes on at $(bytes "$(size_of "$part")")"
        fi
        if [ -t 2 ]; then echo "  $(complaint $code "$http"); going on at $(bytes "$(size_of "$part")")" >&2; fi
        pause "$seconds"
        seconds=$((seconds * 2 > 60 ? 60 : seconds * 2))
    done
}

# ---- the whole

: >"$work/plan"
read_tree "$model_repo"
for name in config.json vocab.json merges.txt; do plan "$model_repo" $name "$out" required; done
plan "$model_repo" tokenizer.json "$out" optional
plan "$model_repo" model.safetensors "$out" required
exports=''
for release in $releases; do
    case " $exports " in *" $release "*) continue ;; esac
    before=$(wc -l <"$work/plan")
    case $release in
        res-jb) plan_res_jb "$out/dictionaries/res-jb" ;;
        v5-32k) plan_v5 "$out/dictionaries/v5-32k" 32k ;;
        v5-128k) plan_v5 "$out/dictionaries/v5-128k" 128k ;;
        hook_z) plan_hook_z "$out/dictionaries/hook_z" ;;
    esac
    if [ "$(wc -l <"$work/plan")" -eq "$before" ]; then misused "$release has no dictionary of these --sites and --layers"; fi
    exports="$exports $release"
done
count=$(($(wc -l <"$work/plan")))

# what is there already
needed=0 total=0 bad=0 missing_files=0 unknown=0
: >"$work/todo"
while IFS=$'\t' read -r repo path file need size kind sum <&3; do
    state=missing
    if [ -e "$file" ]; then
        state=there
        have=$(size_of "$file")
        if [ "$size" != - ] && [ "$have" -ne "$size" ]; then
            fail "$file is there with $have bytes, where $repo has $size at revision '$(revision_of "$repo")';" \
                "remove it, or choose another --out or --revision"
        fi
        if [ $verify = yes ] && [ $list = no ] && [ "$kind" != - ]; then
            found=$(sum_of "$kind" "$file")
            if [ "$found" != "$sum" ]; then
                echo "fetch_gpt2.sh: $file has the $(named "$kind") $found, where $repo has $sum;" \
                    "remove it and run the same command again" >&2
                bad=$((bad + 1))
            fi
        fi
    else
        missing_files=$((missing_files + 1))
        have=$(size_of "$file.part")
        if [ "$have" -gt 0 ]; then state="$(bytes "$have") there"; fi
        if [ "$size" != - ] && [ "$size" -gt "$have" ]; then needed=$((needed + size - have)); fi
        printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$repo" "$path" "$file" "$need" "$size" "$kind" "$sum" >>"$work/todo"
    fi
    if [ "$size" != - ]; then total=$((total + size)); else unknown=$((unknown + 1)); fi
    if [ $list = yes ]; then printf '%10s  %-14s  %s  (%s)\n' "$(bytes "$size")" "$state" "$file" "$repo"; fi
done 3<"$work/plan"
if [ $list = yes ]; then
    unsized=$([ $unknown -eq 0 ] || echo "; the sizes of $unknown are not known before they are fetched")
    echo "$count files, $(bytes $total); $missing_files of them, $(bytes $needed), would be fetched into $out$unsized"
    exit 0
fi
[ $bad -eq 0 ] || exit 1
[ -e "$out" ] || made=$out
mkdir -p "$out" 2>/dev/null || fail "$out cannot be made; choose another --out"
room=$(room_in "$out")
if [ "$needed" -gt $((room * 1024)) ]; then
    fail "$out has room for $(bytes $((room * 1024))), and $(bytes $needed) are to be fetched;" \
        "make room, choose another --out, or fewer --sites and --layers"
fi

number=0 fetched=0 commit=''
: >"$work/commits"
while IFS=$'\t' read -r repo path file need size kind sum <&3; do
    number=$((number + 1))
    if [ -t 2 ]; then echo "[$number of $missing_files] $file, $(bytes "$size")" >&2; fi
    commit=''
    result=0
    fetch "$repo" "$path" "$file" || result=$?
    if [ $result -eq 4 ]; then
        if [ "$need" = optional ]; then continue; fi
        missing "$repo" "$path"
    fi
    have=$(size_of "$file.part")
    if [ "$size" != - ] && [ "$have" -ne "$size" ]; then
        rm -f "$file.part"
        fail "$path of $repo came with $have bytes, where $size are expected; run the same command again"
    fi
    if [ "$kind" = - ]; then
        checked="no checksum to be had"
        echo "fetch_gpt2.sh: $endpoint gives no checksum of $path of $repo; it was not checked" >&2
    else
        found=$(sum_of "$kind" "$file.part")
        if [ "$found" != "$sum" ]; then
            rm -f "$file.part"
            fail "$file: $(named "$kind") $sum expected, $found found; what came is removed, whole files are kept:" \
                "run the same command again, and if it comes again check HF_ENDPOINT"
        fi
        checked="$(named "$kind") right"
    fi
    mv "$file.part" "$file"
    fetched=$((fetched + 1))
    if [ -n "$commit" ]; then printf '%s\t%s\n' "$repo" "$commit" >>"$work/commits"; fi
    echo "fetched $number of $missing_files: $file, $(bytes "$have"), $checked"
done 3<"$work/todo"

count=0 total=0
while IFS=$'\t' read -r _ _ file _ <&3; do
    if [ -e "$file" ]; then count=$((count + 1)) total=$((total + $(size_of "$file"))); fi
done 3<"$work/plan"
echo "$count files, $(bytes $total), are in $out ($fetched fetched now)"
sort -u "$work/commits" | while IFS=$'\t' read -r repo commit; do echo "$repo: --revision $repo=$commit fetches the same again"; done
echo
echo "to export:"
if [ -z "$exports" ]; then printf '  onnx-attribution export --checkpoint %q --out %q\n' "$out" "models/${out##*/}"; fi
for release in $exports; do
    printf '  onnx-attribution export --checkpoint %q --dictionaries %q --out %q\n' \
        "$out" "$out/dictionaries/$release" "models/${out##*/}-$release"
done
