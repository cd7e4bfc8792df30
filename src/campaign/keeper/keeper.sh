# What the inner lem does for a run, in the words of a POSIX shell, where it can't be mounted.
#
#   sh -c SCRIPT lem run DIR GRACE LIMIT held|none COMMAND...   times in hundredths of a second
#   sh -c SCRIPT lem kill RUN GRACE
#   sh -c SCRIPT lem hold
#
# All that is special to a run comes as an argument or in its environment: nothing of it is ever a
# part of this text. Lines that begin with `#` are left out of what a container gets.
#
# The command runs in the foreground: a shell makes its background commands deaf to INT and QUIT.
# So this shell hears nothing until the command ends, and a watcher in the background ends it.

# Sets `now`, in hundredths of a second. The machine's clock may be set meanwhile, this one not.
clock() {
  read -r now _ </proc/uptime
  now=${now%.*}${now#*.}
}

# Sets what the kernel says of a process; fails if it is gone.
kin() {
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # A program's name may hold blanks and brackets.
  line=${line##*) }
  set -f
  set -- $line
  set +f
  state=$1 parent=$2 session=$4 spent=$((${14} + ${15}))
}

# Makes ready to look for the processes of `run`: not for this shell and what it descends from.
prepare() {
  spared=" $$ " p=$$ own=none
  kin $$ && [ "$session" = $$ ] && own=$$
  while kin "$p" && [ "$parent" -gt 0 ]; do
    p=$parent spared="$spared$p "
  done
  zeros=no
  printf 'a\0' | LEM_RUN_ID= grep -qxzF a 2>/dev/null && zeros=yes
}

# Prints which of these environments hold the mark. What is started to look carries none.
marked() {
  if [ "$zeros" = yes ]; then
    LEM_RUN_ID= grep -lsxzF -e "LEM_RUN_ID=$run" "$@"
    return
  fi
  for file; do
    LEM_RUN_ID= tr '\0' '\n' <"$file" | LEM_RUN_ID= grep -qxF -e "LEM_RUN_ID=$run" && echo "$file"
  done
}

# Sets `found` to the processes of the run: those with its mark, and those of its session, which
# may have lost the mark.
look() {
  all= found=
  # Listed before anything is started to look.
  set -- /proc/[0-9]*/environ
  [ -z "$run" ] || for file in $(marked "$@" 2>/dev/null); do
    file=${file#/proc/} all="$all ${file%/environ}"
  done
  [ "$own" = none ] || for file in /proc/[0-9]*; do
    kin "${file#/proc/}" && [ "$session" = "$own" ] && all="$all ${file#/proc/}"
  done
  for p in $all; do
    case "$spared$found " in *" $p "*) continue ;; esac
    kin "$p" || continue
    case $state in Z | X) continue ;; esac
    found="$found $p"
  done
}

# Says something, but waits no longer than a moment for room in a pipe that the command may have
# filled.
say() {
  echo "lem: $1" >&4 &
  teller=$!
  (
    LEM_RUN_ID= sleep 1
    kill -s KILL $teller
  ) >/dev/null 2>&1 &
  wait $teller
  kill -s KILL $!
} 2>/dev/null

# Ends the processes of the run: TERM, the grace, KILL, until two looks in a row find none. Counts
# them in `ended`; fails if some live on.
end() {
  clock
  until=$((now + grace)) quiet=0 asked=' ' ended=0
  while look; do
    if [ -z "$found" ]; then
      quiet=$((quiet + 1))
      [ $quiet -lt 2 ] || return 0
      continue
    fi
    quiet=0
    clock
    if [ "$now" -ge $((until + 500)) ]; then
      return 1
    fi
    for p in $found; do
      case $asked in
      *" $p "*) [ "$now" -lt "$until" ] || kill -s KILL "$p" ;;
      *)
        asked="$asked$p " ended=$((ended + 1))
        if [ "$now" -lt "$until" ]; then
          kill -s TERM "$p"
          kill -s CONT "$p"
        else
          kill -s KILL "$p"
        fi
        ;;
      esac
    done 2>/dev/null
    LEM_RUN_ID= sleep 0.1 2>/dev/null || LEM_RUN_ID= sleep 1
  done
}

# Sets `at` to the time of day.
stamp() {
  at=$(LEM_RUN_ID= date -u +%Y-%m-%dT%H:%M:%S.%NZ 2>/dev/null)
  case $at in
  *[!0-9TZ:.-]* | *.Z) at=$(LEM_RUN_ID= date -u +%Y-%m-%dT%H:%M:%SZ) ;;
  '') at=1970-01-01T00:00:00Z ;;
  esac
}

# Sets `kills` to how often the kernel killed something in this container for lack of memory.
oom() {
  kills=0
  for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ ! -r "$file" ] || while read -r name count; do
      [ "$name" != oom_kill ] || kills=$count
    done <"$file"
  done
}

# Writes a mark, whole or not at all: under the name that the inner lem takes too.
put() {
  half=$dir/.$1.$$-0.tmp
  printf '%s\n' "$2" >"$half" && LEM_RUN_ID= mv -f "$half" "$dir/$1"
}

# Waits for the time limit or the end of the lifeline, then ends the run. In the background.
watch() {
  timer= reader=
  trap 'kill -s KILL $timer $reader $! 2>/dev/null; exit 0' TERM
  read -r me _ </proc/self/stat
  spared="$spared$me "
  sleep "$limit" </dev/null >/dev/null 2>&1 &
  timer=$!
  if [ "$lifeline" = held ]; then
    (
      trap - TERM
      while read -r _; do :; done
      kill -s TERM $timer
    ) <&3 >/dev/null 2>&1 &
    reader=$!
  fi
  if wait $timer; then why=USR2; else why=USR1; fi
  trap '' TERM
  [ -z "$reader" ] || kill -s KILL $reader
  kill -s $why $$
  end
}

# In seconds, of hundredths.
seconds() {
  printf '%d.%02d' $(($1 / 100)) $(($1 % 100))
}

run() {
  dir=$1 grace=$2 limit=$3 lifeline=$4 run=$LEM_RUN_ID
  shift 4
  case $run in
  '' | *[!A-Za-z0-9_.-]*) named=null ;;
  *) named="\"$run\"" ;;
  esac
  # Whole seconds where the image's `sleep` knows no others.
  case $limit in
  none) limit=999999999 ;;
  *00) limit=${limit%00} ;;
  *) if sleep 0.01 2>/dev/null; then limit=$(seconds "$limit"); else limit=$((limit / 100 + 1)); fi ;;
  esac
  exec 3<&0 4>&2 </dev/null
  uid=0 gid=0
  while read -r key _ effective _; do
    case $key in
    Uid:) uid=$effective ;;
    Gid:) gid=$effective ;;
    esac
  done </proc/self/status
  # Whoever starts another try puts the marks of the last one aside.
  if [ -e "$dir/started.json" ] || [ -L "$dir/started.json" ]; then
    say "this run has begun before (\`$dir/started.json\` is there), so it is not begun again"
    exit 118
  fi
  prepare
  stamp
  put started.json "{\"run\": $named, \"uid\": $uid, \"gid\": $gid, \"pid\": $$, \
\"started_at\": \"$at\", \"version\": \"sh\"}" || {
    say "cannot write the results of this run to \`$dir\`"
    exit 119
  }
  oom
  before=$kills reason=exited
  trap 'reason=lifeline_cut' USR1
  trap 'reason=time_limit' USR2
  # What a shell says of a command that a signal ended is no part of the command's output.
  exec 2>/dev/null
  watch &
  watcher=$!
  clock
  began=$now
  (exec "$@" 2>&4 3<&- 4>&-)
  code=$?
  why=$reason
  trap '' USR1 USR2
  clock
  wall=$((now - began))
  kin $$
  cpu=$spent
  # One that has a reason is at it.
  [ $why != exited ] || kill -s TERM $watcher
  wait $watcher
  exec 2>&4
  left=
  end || left=$found
  oom
  stamp
  signal=null exit=$code
  if [ "$code" -gt 128 ] && [ "$code" -le 192 ]; then
    signal=$((code - 128)) code=null
    [ $why != exited ] || why=signaled
  fi
  case $why in
  time_limit) exit=124 ;;
  lifeline_cut) exit=143 ;;
  esac
  put ended.json "{\"run\": $named, \"reason\": \"$why\", \"exit_code\": $code, \
\"signal\": $signal, \"wall_seconds\": $(seconds $wall), \"cpu_seconds\": $(seconds "$cpu"), \
\"peak_memory_bytes\": null, \"oom_kills\": $((kills - before)), \"leftovers\": $ended, \
\"ended_at\": \"$at\"}" || say "cannot write how this run ended to \`$dir\`"
  case $why in
  time_limit) say "time limit of ${limit}s reached, stopping the run" ;;
  lifeline_cut) say 'stopping the run: the lem that started it ends it, or is gone itself' ;;
  esac
  [ -z "$left" ] || say "processes that could not be ended:$left"
  exit "$exit"
}

what=$1
shift
case $what in
run) run "$@" ;;
kill)
  run=$1 grace=$2
  prepare
  own=none
  end || {
    echo "lem: processes that could not be ended:$found" >&2
    exit 4
  }
  ;;
hold)
  trap 'exit 0' TERM INT HUP QUIT
  while sleep 86400 & wait $!; do :; done
  exit 1
  ;;
esac
