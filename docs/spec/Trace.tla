------------------------------- MODULE Trace --------------------------------
(***************************************************************************)
(* Whether the rules of Register.tla allow what cells were seen to do in a *)
(* run of the production code. tests/spec/traces.py writes a module that   *)
(* extends this one with what was seen: `Payloads` and `Ballots` of each   *)
(* worker, and `Log`, each change of a cell in its order.                  *)
(*                                                                         *)
(* What a log does not show may happen in between, in any way. The trace   *)
(* is allowed if the end of the log can be reached: if `NotAllowed` fails. *)
(***************************************************************************)
EXTENDS Register, Sequences
CONSTANTS Payloads, Ballots, Log
VARIABLE at

Shows(c, seen) ==
  /\ cell'[c].hash = seen.hash /\ cell'[c].promised = seen.promised /\ cell'[c].attempt = seen.attempt
  /\ IF seen.value = None THEN cell'[c].acc = 0
     ELSE /\ cell'[c].acc # 0 /\ ballot[cell'[c].acc] = seen.accepted
          /\ proposal'[cell'[c].acc].h = seen.value.h /\ proposal'[cell'[c].acc].r = seen.value.r
  /\ IF seen.result = None THEN cell'[c].result = None
     ELSE /\ cell'[c].result # None /\ cell'[c].result.out = seen.result.out
          /\ cell'[c].result.v.h = seen.result.h /\ cell'[c].result.v.r = seen.result.r

TraceInit == payload = Payloads /\ ballot = Ballots /\ Begun /\ Quiet /\ at = 1
TraceNext ==
  /\ at <= Len(Log)
  /\ Next
  /\ IF cell' = cell THEN UNCHANGED at ELSE at' = at + 1 /\ Shows(Log[at].c, Log[at].seen)
  /\ \A c \in Cells : cell'[c] # cell[c] => c = Log[at].c
TraceSpec == TraceInit /\ [][TraceNext]_<<vars, at>>
NotAllowed == at <= Len(Log)
=============================================================================
