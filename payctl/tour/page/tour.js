"use strict";
// The live page: asks for the state every second, shows it, and sends what its buttons say.

const EVERY = 1000; // milliseconds between two looks
const OLD = 20; // seconds after which a score is called old: a Region that is lost midway makes a look slow
const element = (id) => document.getElementById(id);
const words = (node, text) => {
  if (node.textContent !== String(text)) node.textContent = text;
};
/** A text in which no name is broken at its hyphens. */
const named = (node, text) => {
  if (node.textContent === text) return;
  const parts = text.split(/(\S+-\S+)/).map((part) => {
    if (!part.includes("-")) return part;
    const whole = document.createElement("span");
    whole.className = "whole";
    whole.textContent = part;
    return whole;
  });
  node.replaceChildren(...parts);
};
let plots = null;
let state = null;

const STEPS = [
  {
    title: "Payments flow",
    text: ([home]) =>
      `A third of the payments begin near each Region. Each one is accepted once two of three registers agree. Now lose ` +
      `the home Region, ${home}: its functions are killed, and nothing there answers any more.`,
    button: ([home]) => `Take ${home} down`,
    act: ([home]) => ["break", { kind: "region-down", regions: [home] }],
  },
  {
    title: "A Region is lost",
    text: ([home]) =>
      `For about two seconds clients of ${home} get no answer, and repeat with the same id in the next Region. Then health ` +
      `checks take it out of DNS, and the other two take over its third. What it had accepted is finished by them within ` +
      `two minutes. Watch "lost" and "charged twice" stay 0.`,
    button: ([home]) => `Bring ${home} back`,
    act: ([home]) => ["heal", { kind: "region-down", regions: [home] }],
  },
  {
    title: "The Region comes back by itself",
    text: ([home, second]) =>
      `${home} returns to DNS, and its books catch up: nobody has to do anything. Next, something worse: ${home} and ` +
      `${second} both live, and cannot see each other. With a plain global table, both could now charge the same payment.`,
    button: ([home, second]) => `Cut ${home} from ${second}`,
    act: ([home, second]) => ["break", { kind: "cut", regions: [home, second] }],
  },
  {
    title: "Two Regions cannot see each other",
    text: ([home, second, third]) =>
      `Both go on taking payments: each finds its majority with ${third}. One client in ten even posts to two Regions at ` +
      `once. Requests take longer, because a lost call has to time out first. Still nothing is charged twice.`,
    button: () => "Heal the link",
    act: ([home, second]) => ["heal", { kind: "cut", regions: [home, second] }],
  },
  {
    title: "Now break what you like",
    text: () =>
      `Take two Regions down: no majority is left, so clients hear "outcome unknown, repeat", and nothing is lost. Or cut ` +
      `all three links. Then heal everything, and wait until "still lacks" is 0 in every Region: within two minutes, at ` +
      `the pace of a janitor that runs every minute.`,
    button: () => "Heal everything",
    act: () => ["heal", {}],
  },
];

/** Which step the visitor is at, by what is broken and what was. */
function stepOf({ spans, regions, links }) {
  const [first, second] = regions.map((region) => region.name);
  const seen = (kind) => spans.some((span) => span.kind === kind);
  const firstLink = links.find((link) => link.regions[0] === first && link.regions[1] === second);
  if (seen("cut")) return firstLink.cut && spans.filter((span) => span.end === null).length === 1 ? 3 : 4;
  if (!seen("region-down")) return 0;
  return regions.some((region) => region.down) ? 1 : 2;
}

async function send(what, body) {
  try {
    const answer = await fetch(what, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) trouble((await answer.json()).error);
    await look();
  } catch {
    trouble("The tour does not answer. Was it ended in the terminal?");
  }
}

function trouble(text) {
  words(element("trouble"), text);
  element("trouble").hidden = !text;
}

/** A button of its own for each thing that can be broken; made once, so that it keeps the focus. */
function button(parent, kind, regions) {
  const made = document.createElement("button");
  made.type = "button";
  made.dataset.kind = kind;
  made.dataset.regions = regions.join(" ");
  made.addEventListener("click", () => send(made.dataset.broken ? "heal" : "break", { kind, regions }));
  parent.append(made);
  return made;
}

function setUp() {
  const names = state.regions.map((region) => region.name);
  names.forEach((name, number) => {
    const card = document.createElement("article");
    card.className = "region";
    card.dataset.region = name;
    card.style.setProperty("--mark", `var(--region-${number + 1})`);
    const title = document.createElement("h3");
    const now = document.createElement("p");
    title.textContent = name;
    now.className = "state faint";
    card.append(title, now);
    button(card, "region-down", [name]);
    element("regions").append(card);
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head, ...["records", "receipts", "lacking"].map(() => document.createElement("td")));
    row.dataset.region = name;
    element("books").append(row);
  });
  state.links.forEach((link) => button(element("links"), "cut", link.regions));
  const outcomes = Object.keys(state.series.outcomes);
  const colors = ["--good-answer", "--waiting", "--repeat", "--silent"];
  plots = {
    accepted: new Plot(element("accepted"), {
      lines: names.map((name, number) => ({ name, color: `--region-${number + 1}` })),
      describe: "Line plot: payments accepted a second, a line for each Region",
    }),
    outcomes: new Plot(element("outcomes"), {
      lines: outcomes.map((name, number) => ({ name, color: colors[number] })),
      bars: true,
      describe: "Stacked bars: answers each second, by what they told",
    }),
    latency: new Plot(element("latency"), {
      lines: [
        { name: "median", color: "--region-1" },
        { name: "slowest", color: "--region-2" },
      ],
      logarithmic: true,
      unit: " ms",
      describe: "Line plot: milliseconds until the answer to a POST, median and slowest of each second",
    }),
  };
  element("next").addEventListener("click", () => {
    const [what, body] = STEPS[stepOf(state)].act(names);
    send(what, body);
  });
  element("heal").addEventListener("click", () => send("heal", {}));
}

function showRegions() {
  const { series, score } = state;
  for (const region of state.regions) {
    const card = document.querySelector(`.region[data-region="${region.name}"]`);
    card.classList.toggle("down", region.down);
    const recent = series.accepted[region.name].slice(-5);
    const rate = recent.reduce((sum, each) => sum + each, 0) / Math.max(1, recent.length);
    const serving = region.in_dns ? `serves ${rate.toFixed(1)} a second` : "up, not in DNS yet";
    const dead = region.in_dns ? "down, still in DNS" : "down, out of DNS";
    words(card.querySelector(".state"), region.down ? dead : serving);
    const control = card.querySelector("button");
    control.dataset.broken = region.down ? "yes" : "";
    control.classList.toggle("broken", region.down);
    words(control, region.down ? "Bring back" : "Take down");
    control.setAttribute("aria-label", `${control.textContent} ${region.name}`);
    const shelf = score.shelves[region.name];
    const cells = document.querySelectorAll(`#books tr[data-region="${region.name}"] td`);
    const shown = shelf ? [shelf.records, shelf.receipts, shelf.readable ? shelf.lacking : "cannot be read"] : ["–", "–", "–"];
    shown.forEach((value, number) => words(cells[number], value));
  }
  state.links.forEach((link) => {
    const control = document.querySelector(`button[data-kind="cut"][data-regions="${link.regions.join(" ")}"]`);
    control.dataset.broken = link.cut ? "yes" : "";
    control.classList.toggle("broken", link.cut);
    const [one, two] = link.regions;
    named(control, link.cut ? `Join ${one} and ${two}` : `Cut ${one} from ${two}`);
  });
}

function showScore() {
  const { score } = state;
  for (const node of document.querySelectorAll("[data-score]")) {
    words(node, score[node.dataset.score]);
    node.parentElement.classList.toggle("wrong", node.parentElement.classList.contains("must") && score[node.dataset.score] > 0);
  }
  const more = [
    [score.differing, `${score.differing} are shown differently by two books.`],
    [score.contradicted, `Clients of ${score.contradicted} were told what cannot all be true.`],
    [!score.judged, "Only one Region can be read: what it does not show is judged when a second one is back."],
    [state.age > OLD, `The books were last read ${Math.round(state.age)} s ago.`],
    [state.over, "The hour of payments is over: start the tour again for more."],
  ];
  words(element("more"), more.filter(([holds]) => holds).map(([, text]) => text).join(" "));
}

function showGuide() {
  const names = state.regions.map((region) => region.name);
  const number = stepOf(state);
  const step = STEPS[number];
  words(element("guide-step"), `Step ${number + 1} of ${STEPS.length}`);
  words(element("guide-title"), step.title);
  named(element("guide-text"), step.text(names));
  named(element("next"), step.button(names));
}

function showEvents() {
  const list = element("events");
  const known = list.childElementCount ? Number(list.firstElementChild.dataset.number) : 0;
  const newest = state.events.length ? state.events[0].number : 0;
  for (const event of state.events.slice(0, newest - known).reverse()) {
    const item = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = clock(event.at);
    item.dataset.number = event.number;
    const text = document.createElement("span");
    text.textContent = event.what;
    item.append(time, text);
    list.prepend(item);
  }
}

async function look() {
  const answer = await fetch("state");
  if (!answer.ok) throw new Error(`state: ${answer.status}`);
  state = await answer.json();
  if (!plots) setUp();
  const { series, spans } = state;
  plots.accepted.show(series.at, Object.values(series.accepted), spans);
  plots.outcomes.show(series.at, Object.values(series.outcomes), spans);
  plots.latency.show(series.at, [series.median, series.slowest], spans);
  words(element("rate"), state.rate);
  words(element("errors"), state.errors);
  showScore();
  showGuide();
  showRegions();
  showEvents();
}

async function run() {
  try {
    await look();
    if (element("trouble").textContent.startsWith("The tour does not answer")) trouble("");
    setTimeout(run, EVERY);
  } catch (error) {
    if (!(error instanceof TypeError) || state === null) console.error(error);
    trouble("The tour does not answer. Was it ended in the terminal?");
    setTimeout(run, 5 * EVERY);
  }
}

run();
