------------------------------ MODULE Register ------------------------------
(***************************************************************************)
(* One payment id in three registers: who may charge, what is told, how it *)
(* ends. docs/protocol.md, "The formal model" says which configuration     *)
(* checks what, and what none of them covers.                              *)
(*                                                                         *)
(* There are no messages. A worker's request may be done by a cell at any  *)
(* time, late, again or never, whatever became of the worker; an answer    *)
(* once given may be used at any later time, or never. So a request or     *)
(* answer that is lost, a worker that dies and a Region that goes dark are *)
(* steps that do not happen. Nothing has to happen but by Fairness.        *)
(*                                                                         *)
(* What is told is recorded as early as the rules allow, which is the      *)
(* worst: whoever was told it later was told the same.                     *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS
  Cells, Hashes, None,
  Posts, Takeovers, Rejoins,   \* how many workers of each kind, with one ballot each
  Start,     \* "empty"; "contested": each POST has its own payload and one cell; "decided"
  Rail,      \* "ledger"; a processor: "keys" (it charges a key once), "once" (each call charges again); "none": the
             \* decision is all that is looked at
  Loss,      \* "none"; "region": one is lost for good; "memory": a register loses its memory, and rejoins
  Gone,      \* whether the processor may be gone for good, and operators rule without its word
  Mutant     \* "", or the name of the rule that is broken

VARIABLES
  cell,      \* of each Region: hash, promised (a ballot), acc (the worker whose value it accepted), attempt, result
  payload, ballot,                \* of each worker: what it carries and in which ballot, drawn at first
  promises, proposal, votes,      \* answers that were ever given, and the value that each worker proposes
  serves, lost, stale, teaching,  \* who is asked; the lost Region; workers of before the bar; has rejoining begun
  outcome, claims, calls,         \* the processor's word; calls that may be made; times it took money
  gone, words, public,            \* no processor any more; results that someone writes; the public record
  told, refused, finals           \* payloads told accepted; payloads told 422; results that two cells ever showed

ballots == <<payload, ballot, promises, proposal, votes>>
loss    == <<serves, lost, stale, teaching>>
money   == <<outcome, claims, calls, gone, words, public>>
memory  == <<told, refused, finals>>
vars    == <<cell, ballots, loss, money, memory>>

Workers == 1..(Posts + Takeovers + Rejoins)
IsPost(w)   == w <= Posts
IsRejoin(w) == w > Posts + Takeovers
Asked  == {c \in Cells : serves[c] /\ c # lost}
Blank  == [hash |-> None, promised |-> 0, acc |-> 0, attempt |-> FALSE, result |-> None]

Decided == {proposal[w] : w \in {x \in Workers : Cardinality(votes[x]) >= 2}}

(* ------------------------------------------------------------- ballots *)

Given == {payload[w] : w \in {x \in Workers : IsPost(x)}}    \* what others may have read or been handed
Promised(w, c) == \E p \in promises : p.w = w /\ p.c = c

Promise(w, c) ==    \* OPEN of a POST, PREPARE of a takeover or rejoin
  /\ c # lost /\ (serves[c] \/ IsRejoin(w))
  /\ IsRejoin(w) => (\E d \in Cells : ~serves[d]) /\ (payload[w] # None \/ Mutant = "rejoin with any payload")
  /\ cell[c].result = None
  /\ cell[c].promised < ballot[w] \/ (Mutant = "promise a ballot twice" /\ cell[c].promised = ballot[w])
  /\ ~Promised(w, c)
  /\ \E h \in IF payload[w] # None THEN {payload[w]} ELSE IF cell[c].hash = None THEN Given ELSE {None} :
       /\ payload' = [payload EXCEPT ![w] = h]
       /\ IsPost(w) => cell[c].hash \in {None, h}
       /\ Mutant = "open where it should prepare" => \A d \in Cells : Promised(w, d) => cell[d].hash = cell[c].hash
       /\ LET held == IF cell[c].hash = None THEN h ELSE cell[c].hash IN
          /\ cell' = [cell EXCEPT ![c].hash = held, ![c].promised = ballot[w]]
          /\ promises' = promises \cup {[w |-> w, c |-> c, acc |-> cell[c].acc, h |-> held]}
  /\ teaching' = (teaching \/ IsRejoin(w))
  /\ UNCHANGED <<ballot, proposal, votes, serves, lost, stale, money>>

Quorum == IF Mutant = "one promise" THEN 1 ELSE 2
Ballot(p) == IF p.acc = 0 THEN 0 ELSE ballot[p.acc]
Choices(w, P) ==    \* what may be proposed with these promises
  LET accepted == {p \in P : p.acc # 0}
      chosen == IF Mutant = "lowest accepted" THEN {p \in accepted : \A q \in accepted : Ballot(p) <= Ballot(q)}
                                              ELSE {p \in accepted : \A q \in accepted : Ballot(q) <= Ballot(p)}
  IN IF accepted # {} THEN {proposal[p.acc] : p \in chosen}
     ELSE {[w |-> w, h |-> h, r |-> IF Rail = "none" THEN None ELSE c] :
             h \in IF Mutant = "propose what was read" /\ ~IsPost(w) THEN Given ELSE {p.h : p \in P},
             c \in {p.c : p \in P}}

Propose(w) ==
  /\ proposal[w] = None
  /\ w \in stale /\ teaching => Mutant = "rejoin at once"
  /\ \E P \in SUBSET {p \in promises : p.w = w} :
       /\ Cardinality(P) >= Quorum
       /\ IsRejoin(w) => \A c \in Cells : serves[c] => \E p \in P : p.c = c
       /\ \E v \in Choices(w, P) : proposal' = [proposal EXCEPT ![w] = v]
  /\ UNCHANGED <<cell, payload, ballot, promises, votes, loss, money>>

Vote(w, c) ==
  /\ c # lost /\ (serves[c] \/ IsRejoin(w))
  /\ proposal[w] # None /\ cell[c].result = None
  /\ cell[c].promised <= ballot[w] \/ Mutant = "vote below a promise"
  /\ cell[c].acc # w
  /\ cell' = [cell EXCEPT ![c].hash = proposal[w].h, ![c].promised = ballot[w], ![c].acc = w]
  /\ votes' = [votes EXCEPT ![w] = @ \cup {c}]
  /\ UNCHANGED <<payload, ballot, promises, proposal, loss, money>>

(* ------------------------------------------------------ what is told *)

Holders(h)  == {c \in Asked : cell[c].hash = h}
Accepted(h) ==      \* 202 or better
  \/ \E v \in Decided : v.h = h
  \/ \E w \in Workers : IsPost(w) /\ payload[w] = h /\ \A c \in Cells : Promised(w, c)
  \/ Mutant = "accept on two" /\ Cardinality(Holders(h)) >= 2
Refused(h) ==       \* 422
  \/ \E v \in Decided : v.h # h
  \/ Mutant = "refuse on two" /\ \E g \in Hashes \ {h} : Cardinality(Holders(g)) >= 2
  \/ Mutant = "void" /\ Cardinality({cell[c].hash : c \in Asked} \ {None}) = 3

(* --------------------------------------------------- money and results *)

Claim(v) ==         \* ATTEMPT, in the own cell of the decided Region
  /\ Rail \in {"keys", "once"} /\ v.r \in Asked /\ ~cell[v.r].attempt /\ cell[v.r].result = None
  /\ cell' = [cell EXCEPT ![v.r].attempt = TRUE, ![v.r].hash = IF @ = None THEN v.h ELSE @]
  /\ claims' = claims + 1
  /\ UNCHANGED <<ballots, loss, outcome, calls, gone, words, public>>

Release(v) ==       \* the request provably did not leave
  /\ Rail \in {"keys", "once"} /\ v.r \in Asked /\ cell[v.r].attempt /\ cell[v.r].result = None
  /\ \/ claims > 0 /\ claims' = claims - 1
     \/ claims = 0 /\ Mutant = "release a call in doubt" /\ UNCHANGED claims
  /\ cell' = [cell EXCEPT ![v.r].attempt = FALSE]
  /\ UNCHANGED <<ballots, loss, outcome, calls, gone, words, public>>

Charge(v) ==        \* the processor takes the money or declines, unless the key is known or cancelled
  /\ Rail \in {"keys", "once"} /\ ~gone
  /\ \/ Rail = "keys" /\ outcome = None /\ UNCHANGED claims
     \/ Rail = "once" /\ claims > 0 /\ claims' = claims - 1
     \/ Rail = "once" /\ Mutant = "charge without attempt" /\ UNCHANGED claims
  /\ calls < 2
  /\ \/ outcome = None /\ outcome' = "declined" /\ UNCHANGED calls
     \/ outcome \in {None, "settled"} /\ outcome' = "settled" /\ calls' = calls + 1
     \/ outcome \in {"declined", "cancelled"} /\ UNCHANGED <<outcome, calls>>
  /\ UNCHANGED <<cell, ballots, loss, gone, words, public>>

Cancel(v) ==        \* for an operator who rules that it is not charged
  /\ Rail \in {"keys", "once"} /\ ~gone /\ outcome = None
  /\ IF Mutant = "rule without cancelling"
     THEN words' = words \cup {[v |-> v, out |-> "cancelled"]} /\ UNCHANGED outcome
     ELSE outcome' = "cancelled" /\ UNCHANGED words
  /\ UNCHANGED <<cell, ballots, loss, claims, calls, gone, public>>

Conclude(v) ==      \* a worker or an operator has the processor's word; no result says who
  /\ outcome # None
  /\ \E by \in IF Mutant = "operator in the result" THEN {"worker", "operator"} ELSE {"anybody"} :
       words' = words \cup {IF by = "operator" THEN [v |-> v, out |-> outcome, by |-> by]
                                               ELSE [v |-> v, out |-> outcome]}
  /\ words' # words
  /\ UNCHANGED <<cell, ballots, loss, outcome, claims, calls, gone, public>>

Vanish ==           \* the processor, for good
  /\ Gone /\ ~gone /\ gone' = TRUE
  /\ UNCHANGED <<cell, ballots, loss, outcome, claims, calls, words, public>>

Rule(v) ==          \* without its word; operators may differ. No cell may show another result when it is written.
  /\ gone
  /\ \E out \in {"settled", "cancelled"} :
       /\ \A c \in Asked : cell[c].result \in {None, [v |-> v, out |-> out]}
       /\ words' = words \cup {[v |-> v, out |-> out]}
  /\ words' # words
  /\ UNCHANGED <<cell, ballots, loss, outcome, claims, calls, gone, public>>

Result(c) ==        \* once
  /\ c \in Asked /\ (cell[c].result = None \/ Mutant = "overwrite a result")
  /\ \E res \in words :
       /\ cell[c].result # res
       /\ cell' = [cell EXCEPT ![c].result = res, ![c].hash = IF @ = None THEN res.v.h ELSE @]
  /\ UNCHANGED <<ballots, loss, money>>

Shown == {res \in {cell[c].result : c \in Cells} \ {None} : Cardinality({c \in Cells : cell[c].result = res}) >= 2}
Finish(c) ==        \* a cell that has no result takes the public one
  /\ public # None /\ c \in Asked /\ cell[c].result = None
  /\ cell' = [cell EXCEPT ![c].result = public]
  /\ UNCHANGED <<ballots, loss, money>>

Publish ==          \* 201 and 200 are told from here on
  /\ public = None
  /\ \/ Rail = "ledger" /\ \E v \in Decided : public' = [v |-> v, out |-> "settled"]
     \/ \E res \in finals : public' = res
     \/ Mutant = "one result" /\ \E c \in Asked : cell[c].result # None /\ public' = cell[c].result
  /\ UNCHANGED <<cell, ballots, loss, outcome, claims, calls, gone, words>>

(* ---------------------------------------------- loss, the bar, rejoin *)

Lose(c) ==          \* a Region, for good
  /\ Loss = "region" /\ lost = None /\ lost' = c
  /\ UNCHANGED <<cell, ballots, serves, stale, teaching, money>>

Forget(c) ==        \* a register is made anew without its memory. It does not say that it serves, and is barred.
  /\ Loss = "memory" /\ ~teaching /\ stale = {} /\ cell[c] # Blank /\ \A d \in Cells : serves[d]
  /\ cell' = [cell EXCEPT ![c] = Blank]
  /\ stale' = {p.w : p \in promises}
  /\ serves' = IF Mutant = "no bar" THEN serves ELSE [serves EXCEPT ![c] = FALSE]
  /\ UNCHANGED <<ballots, lost, teaching, money>>

Read(w) ==          \* rejoin fills the barred cell with what another one holds
  /\ IsRejoin(w) /\ payload[w] = None /\ \E c \in Cells : ~serves[c]
  /\ \E d \in Asked : cell[d].hash # None /\ payload' = [payload EXCEPT ![w] = cell[d].hash]
  /\ teaching' = TRUE
  /\ UNCHANGED <<cell, ballot, promises, proposal, votes, serves, lost, stale, money>>

Mark(c) ==          \* its Region may have called the processor, and only the lost cell knew
  /\ Rail = "once" /\ ~serves[c] /\ ~cell[c].attempt /\ cell[c].result = None
  /\ \E d \in Asked :
       /\ cell[d].acc # 0 /\ proposal[cell[d].acc].r = c
       /\ cell' = [cell EXCEPT ![c].attempt = TRUE, ![c].hash = IF @ = None THEN cell[d].hash ELSE @]
  /\ teaching' = TRUE
  /\ UNCHANGED <<ballots, serves, lost, stale, money>>

Teach(c) ==         \* of what has ended: the public record decides, else the one result that the others show
  /\ ~serves[c] /\ cell[c].result = None
  /\ LET shown == {cell[d].result : d \in Asked} \ {None} IN
     /\ shown # {}
     /\ \E res \in IF public # None THEN {public} ELSE shown :
          /\ public # None \/ Cardinality(shown) = 1 \/ Mutant = "teach either result"
          /\ cell' = [cell EXCEPT ![c].result = res, ![c].hash = IF @ = None THEN res.v.h ELSE @]
  /\ teaching' = TRUE
  /\ UNCHANGED <<ballots, serves, lost, stale, money>>

Unbar(c) ==
  /\ ~serves[c]
  /\ \/ \A d \in Cells \ {c} : cell[d].hash = None /\ cell[d].result = None   \* nobody holds it: nothing to teach
     \/ cell[c].result # None
     \/ /\ \E w \in Workers : IsRejoin(w) /\ votes[w] = Cells
        /\ \/ Rail # "once" \/ cell[c].attempt \/ Mutant = "no mark"
           \/ \A d \in Cells \ {c} : proposal[cell[d].acc].r # c
     \/ Mutant = "unbar untaught"
  /\ teaching' = TRUE
  /\ serves' = [serves EXCEPT ![c] = TRUE]
  /\ UNCHANGED <<cell, ballots, lost, stale, money>>

(* ------------------------------------------------------ the whole of it *)

Drawn ==            \* two workers may draw the same ballot; those who saw a ballot draw a higher one
  LET Late == (Posts + 1)..(Posts + Takeovers + Rejoins) IN
  \E given \in [1..Posts -> Hashes], low \in [1..Posts -> 1..Posts], high \in [Late -> Late] :
    /\ \A n \in 1..(Posts - 1) : low[n] <= low[n + 1]
    /\ \A n \in (Posts + 1)..(Posts + Takeovers - 1) : high[n] <= high[n + 1]
    /\ \A w \in 1..Posts : \A n \in 1..(low[w] - 1) : \E x \in 1..Posts : low[x] = n
    /\ \A w \in Late : \A n \in (Posts + 1)..(high[w] - 1) : \E x \in Late : high[x] = n
    /\ Start = "contested" => low = [n \in 1..Posts |-> n] /\ given = CHOOSE f \in [1..Posts -> Hashes] :
                                                               \A n, x \in 1..Posts : n # x => f[n] # f[x]
    /\ payload = [w \in Workers |-> IF IsPost(w) THEN given[w] ELSE None]
    /\ ballot = [w \in Workers |-> IF IsPost(w) THEN low[w] ELSE high[w]]

Begun ==            \* the cells, promises and votes to begin with
  CASE Start = "empty" ->
         /\ cell = [c \in Cells |-> Blank]
         /\ promises = {} /\ proposal = [w \in Workers |-> None] /\ votes = [w \in Workers |-> {}]
    [] Start = "contested" ->
         /\ LET at == CHOOSE f \in [Cells -> 0..Posts] :
                         \A w \in 1..Posts : \E c \in Cells : f[c] = w /\ \A d \in Cells \ {c} : f[d] # w
            IN
              /\ cell = [c \in Cells |-> IF at[c] = 0 THEN Blank
                                         ELSE [Blank EXCEPT !.hash = payload[at[c]], !.promised = ballot[at[c]]]]
              /\ promises = {[w |-> at[c], c |-> c, acc |-> 0, h |-> payload[at[c]]] : c \in {d \in Cells : at[d] # 0}}
         /\ proposal = [w \in Workers |-> None] /\ votes = [w \in Workers |-> {}]
    [] Start = "decided" ->       \* by the first worker: some cells promised, some voted, at least two each
         \E opened, voted \in {V \in SUBSET Cells : Cardinality(V) >= 2} : \E r \in opened :
           LET promise == [Blank EXCEPT !.hash = payload[1], !.promised = ballot[1]]
               value == [w |-> 1, h |-> payload[1], r |-> IF Rail = "none" THEN None ELSE r]
           IN /\ cell = [c \in Cells |-> CASE c \in voted -> [promise EXCEPT !.acc = 1]
                                          [] c \in opened \ voted -> promise
                                          [] OTHER -> Blank]
              /\ promises = {[w |-> 1, c |-> c, acc |-> 0, h |-> payload[1]] : c \in opened}
              /\ proposal = [w \in Workers |-> IF w = 1 THEN value ELSE None]
              /\ votes = [w \in Workers |-> IF w = 1 THEN voted ELSE {}]

Quiet ==
  /\ serves = [c \in Cells |-> TRUE] /\ lost = None /\ stale = {} /\ teaching = FALSE
  /\ outcome = None /\ claims = 0 /\ calls = 0 /\ gone = FALSE /\ words = {} /\ public = None
  /\ told = {} /\ refused = {} /\ finals = {}
Init == Drawn /\ Begun /\ Quiet

Step ==
  \/ \E w \in Workers : Propose(w) \/ Read(w) \/ \E c \in Cells : Promise(w, c) \/ Vote(w, c)
  \/ \E v \in Decided : Claim(v) \/ Release(v) \/ Charge(v) \/ Cancel(v) \/ Conclude(v) \/ Rule(v)
  \/ \E c \in Cells : Result(c) \/ Finish(c) \/ Lose(c) \/ Forget(c) \/ Mark(c) \/ Teach(c) \/ Unbar(c)
  \/ Vanish \/ Publish
Noted ==
  /\ told' = told \cup {h \in Hashes : Accepted(h)'}
  /\ refused' = refused \cup {h \in Hashes : Refused(h)'}
  /\ finals' = finals \cup Shown'
Next == Step /\ Noted
Spec == Init /\ [][Next]_vars

(* ------------------------------------------------------------- safety *)

OneValue    == Cardinality(Decided) <= 1
ToldTrue    == \A h \in told : \A v \in Decided : v.h = h
RefusedTrue == \A h \in refused : (\A v \in Decided : v.h # h) /\ h \notin told
OneCharge   == calls <= 1
OneResult   == Cardinality(finals) <= 1
ResultTrue  == \A res \in finals : \A v \in Decided : res.v = v
BooksTrue   == ~gone /\ public # None /\ outcome # None => public.out = outcome
PublicFinal == public # None /\ Rail # "ledger" => public \in finals
NotTorn     == ~Gone => Cardinality({cell[c].result : c \in Cells} \ {None}) <= 1

(* ----------------------------------------------------------- liveness *)

(* Each of these steps happens once at most, so fairness to the whole is   *)
(* fairness to each. Nobody disturbs the highest ballot: that one is tried *)
(* alone for long enough, and that the processor or an operator answers,   *)
(* is what is assumed.                                                     *)
Last     == Posts + Takeovers
GoesOn   == Propose(Last) \/ \E c \in Cells : Promise(Last, c) \/ Vote(Last, c)
Ends     == Publish \/ (\E c \in Cells : Result(c)) \/ \E v \in Decided : Charge(v) \/ Cancel(v) \/ Conclude(v)
Fairness == WF_vars(GoesOn /\ Noted) /\ WF_vars(Ends /\ Noted)
FairSpec == Spec /\ Fairness

Held == \E c \in Asked : cell[c].hash # None
HeldIsDecided   == Held ~> (Decided # {} \/ ~Held)
DecidedIsPublic == (Decided # {}) ~> (public # None)

Symmetry == Permutations(Cells) \cup Permutations(Hashes)
=============================================================================
