// The page follows /inbox/events and keeps one bubble a message. Everything that came with a message
// is set as text, never as markup.

const shownAtOnce = 200;
const number = new URLSearchParams(location.search).get("to");
const element = (id) => document.getElementById(id);
const messages = new Map();
const bubbles = new Map();
const rows = new Map();

const time = (iso) =>
  new Date(iso).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  });

const words = {
  accepted: "Accepted",
  scheduled: "Scheduled",
  queued: "Queued",
  sent: "Sent",
  delivered: "Delivered",
  undelivered: "Not delivered",
  failed: "Failed",
  canceled: "Cancelled",
};

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    element("announcement").textContent = `Copied ${text}`;
  } catch {
    button.textContent = text;
  }
  setTimeout(() => {
    button.textContent = before;
  }, 1500);
}

/** The text as it came, with the code made to stand out. */
function textWithCode(message) {
  const text = make("p", "text");
  const at = message.code === null ? -1 : message.body.indexOf(message.code);
  if (at < 0) {
    text.textContent = message.body;
    return text;
  }
  text.append(
    message.body.slice(0, at),
    make("b", "code", message.code),
    message.body.slice(at + message.code.length),
  );
  return text;
}

function newBubble(message) {
  const bubble = make("article", "bubble");
  bubble.dataset.sid = message.sid;
  const head = make("p", "head");
  head.append(make("span", "to", `To ${message.to}`), make("time", "", time(message.created_at)));
  bubble.append(head, textWithCode(message));
  if (message.code !== null) {
    const button = make("button", "copy", "Copy code");
    button.type = "button";
    button.setAttribute("aria-label", `Copy code ${message.code}`);
    button.addEventListener("click", () => copy(message.code, button));
    bubble.append(button);
  }
  const foot = make("p", "foot");
  foot.append(make("span", "status"), make("span", "size"));
  bubble.append(foot);
  return bubble;
}

function show(message) {
  messages.set(message.sid, message);
  let bubble = bubbles.get(message.sid);
  const list = element("messages");
  if (bubble === undefined) {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    bubble = newBubble(message);
    bubbles.set(message.sid, bubble);
    list.append(bubble);
    if (bubbles.size > shownAtOnce) drop(bubbles.keys().next().value);
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
  bubble.dataset.status = message.status;
  const error = message.error_code === null ? "" : ` · ${message.error_code}`;
  const redacted = message.redacted ? " · redacted at Twilio" : "";
  bubble.querySelector(".status").textContent =
    `${words[message.status] ?? message.status}${error}${redacted}`;
  const parts = message.segments === 1 ? "1 segment" : `${message.segments} segments`;
  bubble.querySelector(".size").textContent =
    `${message.characters} characters · ${message.encoding} · ${parts}`;
  element("empty").hidden = true;
}

function drop(sid) {
  bubbles.get(sid)?.remove();
  bubbles.delete(sid);
  messages.delete(sid);
}

function showCall(call) {
  let row = rows.get(call.number);
  if (row === undefined) {
    row = make("tr");
    for (let column = 0; column < 4; column += 1) row.append(make("td"));
    rows.set(call.number, row);
    element("calls").prepend(row);
    if (rows.size > shownAtOnce) {
      const oldest = rows.keys().next().value;
      rows.get(oldest).remove();
      rows.delete(oldest);
    }
  }
  const answers = { none: "no answer", null: "…" };
  const answer = answers[call.answer] ?? call.answer;
  const code = call.code === null ? "" : ` · ${call.code}`;
  const texts = [time(call.at), call.to, `${answer}${code}`, call.accepted ? "accepted" : "none"];
  texts.forEach((text, column) => {
    row.cells[column].textContent = text;
  });
  row.className = call.answer === null ? "open" : /^2/.test(call.answer) ? "good" : "bad";
  element("no-calls").hidden = true;
}

function showNumbers() {
  const known = [...new Set([...messages.values()].map(({ to }) => to))].slice(-12);
  const nav = element("numbers");
  nav.replaceChildren(
    ...known.map((to) => {
      const link = make("a", "chip", to);
      link.href = `/inbox?to=${encodeURIComponent(to)}`;
      if (to === number) link.setAttribute("aria-current", "true");
      return link;
    }),
  );
}

function apply(event) {
  const changes = JSON.parse(event.data);
  for (const message of changes.messages) show(message);
  for (const call of changes.calls) showCall(call);
  if (changes.messages.length > 0) showNumbers();
}

function follow() {
  const query = number === null || number === "" ? "" : `?to=${encodeURIComponent(number)}`;
  const events = new EventSource(`/inbox/events${query}`);
  const connection = element("connection");
  events.addEventListener("open", () => {
    connection.textContent = "live";
    connection.dataset.state = "live";
  });
  events.addEventListener("error", () => {
    connection.textContent = "reconnecting";
    connection.dataset.state = "lost";
  });
  // A snapshot after a reconnection is the whole truth: the double may have been restarted.
  events.addEventListener("snapshot", (event) => {
    for (const sid of [...bubbles.keys()]) drop(sid);
    element("calls").replaceChildren();
    rows.clear();
    element("empty").hidden = false;
    element("no-calls").hidden = false;
    apply(event);
    element("messages").scrollTop = element("messages").scrollHeight;
  });
  events.addEventListener("changes", apply);
}

function tick() {
  element("clock").textContent = new Date().toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
}

element("host").textContent = location.host;
if (number) {
  element("to").value = number;
  element("thread").textContent = number;
  element("all").hidden = false;
}
document.addEventListener("click", ({ target }) => {
  const button = target instanceof Element ? target.closest("button[data-copy]") : null;
  if (button !== null) void copy(button.dataset.copy, button);
});
document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (event.key !== "c" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  [...document.querySelectorAll(".copy")].at(-1)?.click();
});
tick();
setInterval(tick, 5000);
follow();
