// Answers to exercises, judged in the page as `check` judges them in a notebook: the same numbers
// read from the same words, the same messages.  What had to be computed stands in each form as data,
// made by attncourse/exercises/page.py; a test holds both to the same answers.
(() => {
  "use strict";

  // ---- as Python writes: a text in quotes, a number with its digits
  const quoted = (text) => {
    const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
    const named = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", [mark]: "\\" + mark };
    const escaped = [...text].map((sign) => {
      if (sign in named) return named[sign];
      if (sign === " " || !/[\p{C}\p{Z}]/u.test(sign)) return sign;
      const code = sign.codePointAt(0).toString(16);
      const [letter, length] = code.length < 3 ? ["x", 2] : code.length < 5 ? ["u", 4] : ["U", 8];
      return "\\" + letter + code.padStart(length, "0");
    });
    return mark + escaped.join("") + mark;
  };
  const shown = (value) => {
    if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
    const [digits, power] = value.toExponential(9).split("e");
    if (power >= -4 && power < 10) return String(+value.toPrecision(10));
    const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
    return `${short}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  };

  // ---- numbers in text, as attncourse/exercises/reading.py reads them
  const EDGE = "[\"'`“”‘’«»„ \\t\\n]+", LETTER = "[\\p{L}\\p{Nl}\\p{No}]", WORD = "[\\p{L}\\p{N}_]";
  const NAMES = new RegExp(`${WORD}+\\s*=`, "gu");
  const EDGES = new RegExp(`^${EDGE}|${EDGE}$`, "g");
  const FILLERS = new RegExp(`(^|(?!${WORD}).)(?:about|approximately|roughly|circa|ca\\.|exactly)|[≈~]`, "giu");
  const AND = new RegExp(`(^|(?!${WORD}).)and(?!${WORD})`, "giu");
  const LETTERS = `${LETTER}-(?=${LETTER})|${LETTER}`;  // a hyphen holds a word together
  const AROUND = new RegExp(`^(?:(?:${LETTERS})+:?\\s+)+|(?:\\s+(?:${LETTERS})+)+$`, "gu");
  const TIMES = /^[x×]\s*(?=[0-9.])|([0-9])\s*[x×]$/gi;
  const WORDS_ALONE = new RegExp(`^(?:${LETTERS}|[\\s,;:.])*$`, "u");
  const GROUPS = /^(?:[(\[{][^()\[\]{}]*[)\]}][\s,;]*)+$/;
  const PERCENT = new RegExp(`([0-9)])\\s*(?:%|per\\s?cent(?!${WORD}))`, "giu");
  const FACTOR = new RegExp(`([0-9)])\\s*(?=(?:pi|sqrt)(?!${WORD}))`, "gu");
  const NUMBERS = /([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?)(%?)/gi;
  const bare = (text) => text.replace(EDGES, "");
  const unbracketed = (text) => {
    text = bare(text);
    for (const [open, close] of ["()", "[]", "{}"])
      if (text.startsWith(open) && text.endsWith(close) && text.length > 1 && !text.slice(1, -1).includes(open))
        return bare(text.slice(1, -1));
    return text;
  };
  const TOKEN = /\s*(?:(0x(?:_?[0-9a-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+)|((?:[0-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*(?:e[-+]?[0-9](?:_?[0-9])*)?|[0-9](?:_?[0-9])*\.?(?:e[-+]?[0-9](?:_?[0-9])*)?)|(pi|sqrt)(?![\p{L}\p{N}_])|(\*\*|[-+*/()]))/iuy;
  const tokens = (text) => {
    const found = [];
    TOKEN.lastIndex = 0;
    while (text.slice(TOKEN.lastIndex).trim()) {
      const match = TOKEN.exec(text);
      if (!match) throw new SyntaxError(text);
      const [, other, decimal, name, sign] = match;
      if ((other || decimal) && /[\p{L}\p{N}_]/u.test(text[TOKEN.lastIndex] ?? "")) throw new SyntaxError(text);
      if (decimal && /^0[0-9_]*[1-9][0-9_]*$/.test(decimal)) throw new SyntaxError(text);  // 007
      if (name && name !== name.toLowerCase()) throw new SyntaxError(text);
      found.push(other || decimal ? Number((other || decimal).replaceAll("_", "")) : name || sign);
    }
    return found;
  };
  // Sums of products of signed powers, as Python binds them; no name but pi and sqrt, nothing is run.
  const evaluate = (text) => {
    const left = tokens(text.replace(/#.*$/, ""));
    const demand = (sign) => { if (left.shift() !== sign) throw new SyntaxError(text); };
    const real = (value) => { if (Number.isNaN(value)) throw new RangeError(text); return value; };
    const chain = (next, apply) => () => {
      let value = next();
      while (left[0] in apply) value = apply[left.shift()](value, next());
      return value;
    };
    const atom = () => {
      const token = left.shift();
      if (typeof token === "number") return token;
      if (token === "pi") return Math.PI;
      if (token === "sqrt") demand("(");
      else if (token !== "(") throw new SyntaxError(text);
      const inner = sum();
      demand(")");
      return token === "sqrt" ? real(Math.sqrt(inner)) : inner;
    };
    const power = () => {
      const base = atom();
      if (left[0] !== "**") return base;
      left.shift();
      const value = real(base ** signed());
      if (!Number.isFinite(value) && Number.isFinite(base)) throw new RangeError(text);
      return value;
    };
    const signed = () => {
      if (left[0] !== "-" && left[0] !== "+") return power();
      return left.shift() === "-" ? -signed() : signed();
    };
    const divided = (a, b) => { if (b === 0) throw new RangeError(text); return a / b; };
    const product = chain(signed, { "*": (a, b) => a * b, "/": divided });
    const sum = chain(product, { "+": (a, b) => a + b, "-": (a, b) => a - b });
    const value = sum();
    if (left.length) throw new SyntaxError(text);
    return value;
  };
  const numberIn = (text, percent) => {
    text = bare(text);
    if (text.endsWith("%")) {
      const whole = numberIn(text.slice(0, -1), percent);
      return whole === null ? null : whole / percent;
    }
    if (/^[-+]?[1-9][0-9]{0,2}(?:[,' \u2009\u00a0_][0-9]{3})+(?:\.[0-9]+)?$/.test(text))
      text = text.replace(/[,' \u2009\u00a0_]/g, "");
    else if (/^[-+]?[0-9]+,[0-9]+$/.test(text)) text = text.replace(",", ".");
    let value;
    try { value = evaluate(text); } catch { return null; }
    return Number.isFinite(value) ? value : null;
  };
  const COUNTED = "zero one two three four five six seven eight nine ten eleven twelve".split(" ");
  const PARTS = { half: 2, third: 3, quarter: 4, fifth: 5, sixth: 6, eighth: 8, tenth: 10 };
  const A_PART = new RegExp(`\\b(?:an?|one)\\s+(${Object.keys(PARTS).join("|")})\\b`, "gi");
  const A_WORD = new RegExp(`\\b(?:${COUNTED.join("|")})\\b`, "gi");
  // Numbers in words and ratios, as a program has them.
  const inDigits = (text) => text
    .replace(A_PART, (_, part) => `1/${PARTS[part.toLowerCase()]}`)
    .replace(A_WORD, (word) => String(COUNTED.indexOf(word.toLowerCase())))
    .replace(/([0-9])( ?):\2(?=[0-9])/g, "$1/");
  const A_NUMBER = "([0-9]+(?:[.,][0-9]+)?|[.][0-9]+)";
  const RANGE = new RegExp(`^${A_NUMBER} *%? *(?:[-−–—]|to) *${A_NUMBER} *%?$`);
  // Two numbers, the smaller one first: "16.3 - 16.4".
  const isRange = (text) => {
    const [, low, high] = bare(text).match(RANGE) ?? [];
    return low !== undefined && Number(low.replace(",", ".")) < Number(high.replace(",", "."));
  };
  const numbersIn = (text, count, percent) => {
    text = unbracketed(text);
    text = text.split("=").length > 2 ? text.replace(NAMES, " ") : text.slice(text.lastIndexOf("=") + 1);
    text = text.replace(FILLERS, "$1 ");
    text = text.replaceAll("−", "-").replaceAll("·", "*").replaceAll("^", "**").replaceAll("π", "pi")
      .replace(/\bminus\s+/gi, "-");
    text = bare(text.replace(/√\s*([0-9.]+)/g, "sqrt($1)").replaceAll("√(", "sqrt("));
    const read = (form) => numbersAsTheyStand(form.replace(PERCENT, "$1%"), count, percent);
    return read(text) ?? read(inDigits(text));
  };
  // One number; words around it, such as its unit, and a sign for "times" do not count.
  const oneIn = (text, percent) => {
    text = bare(text);
    for (const form of [text, text.replace(AROUND, ""), text.replace(TIMES, "$1")]) {
      const number = numberIn(form.replace(FACTOR, "$1*"), percent);
      if (number !== null) return number;
    }
    return null;
  };
  const numbersAsTheyStand = (text, count, percent) => {
    if (count === 1) {
      const number = oneIn(text, percent);
      if (number !== null) return [number];
    }
    if (GROUPS.test(text)) text = bare(text.replace(/[()[\]{}]/g, " "));
    const marked = text.replace(AND, "$1;");
    const crossed = marked.replace(/([0-9)\s])[x×](?=[0-9(\s])/gi, "$1;");
    // The clearest sign first: commas also stand inside numbers.
    for (const parts of [text.split(";"), marked.split(/;|,\s+/), crossed.split(/\s*[;,]\s*|\s+/)]) {
      const given = parts.filter((part) => part.trim());
      if (count === 1 || given.length !== count) continue;
      const read = given.map((part) => oneIn(part, percent));
      if (!read.includes(null)) return read;
    }
    const found = [...text.matchAll(NUMBERS)];
    if (found.length !== count || !WORDS_ALONE.test(text.replace(NUMBERS, " "))) return null;
    const values = found.map(([, number, sign]) => Number(number) / (sign ? percent : 1));
    return values.every(Number.isFinite) ? values : null;
  };

  // ---- what is said of an answer
  const correct = (message) => ({ status: "correct", message, details: [] });
  const notYet = (message, name = null, details = []) => ({ status: "not yet", message, name, details });
  const untouched = (data) => ({ status: "not attempted", message: `${data.task} ${REMEDY[data.kind]}`, details: [] });
  const REMEDY = {
    value: "Put in your answer and press Check.",
    choice: "Choose one and press Check.",
    table: "Tick what belongs to each row and press Check.",
  };

  const looksLike = (mistake) => `This looks like ${mistake.name}. ${mistake.explanation}`;
  const near = (data) => (given, truth) => given.length === truth.length && given.every((value, place) => {
    const gap = Math.abs(value - truth[place]);
    return gap <= data.absolute + data.relative * Math.abs(truth[place])
      || (data.digits !== null && gap <= 0.5001 * 10 ** -data.digits);
  });
  const slip = (data, given, same) => {
    const { truth } = data, all = (values, holds) => values.every(holds), ascending = (a, b) => a - b;
    if (truth.some(Boolean) && same(given.map((v) => -v), truth))
      return ["the opposite sign", "With the other sign this would be right."];
    if (all(truth, (v) => v > 0 && v <= 1) && same(given.map((v) => v / 100), truth))
      return ["a percentage in place of a share", "This is the right share in percent: divide it by 100."];
    if (all(truth, Boolean) && all(given, Boolean) && same(given.map((v) => 1 / v), truth))
      return ["a ratio upside down", "The ratio stands upside down: this is 1 over the answer."];
    if (truth.length === 1)
      return data.rounded.includes(given[0])
        ? ["rounded too far", `${shown(given[0])} is rounded too far: give more digits.`] : null;
    if (same([...given].sort(ascending), [...truth].sort(ascending)))
      return ["another order", "The numbers are right, and stand in another order than the task names them in."];
    for (const [index, first] of data.mistakes.entries())
      for (const second of data.mistakes.slice(index + 1)) {
        const both = first.forms.flatMap((a) => second.forms.map((b) => [a, b]));
        const made = both.some(([a, b]) => !truth.some((v, k) => a[k] !== v && b[k] !== v)  // both change one number
          && same(given, truth.map((v, k) => a[k] !== v ? a[k] : b[k])));
        if (!made) continue;
        const name = `${first.name}, and ${second.name}`;
        return [name, `This looks like two mistakes at once: ${name}. ${first.explanation} ${second.explanation}`];
      }
    return null;
  };
  const distance = (given, truth) => {
    const way = given < truth ? "small" : "large";
    const gap = truth ? Math.abs(given - truth) / Math.abs(truth) : Infinity;
    return gap < 0.01 ? `close, and too ${way} by less than ${gap < 0.001 ? "0.1" : "1"} %` : `too ${way}`;
  };
  const places = (numbers) => numbers.length === 1 ? `number ${numbers[0]}`
    : `numbers ${numbers.slice(0, -1).join(", ")} and ${numbers.at(-1)}`;
  const read = (texts, count, { percent, low }) => {
    // Where less than nothing cannot be meant, this is no difference.
    const numbersOf = (text, wanted) => {
      if (wanted === 1 && low !== null && low >= 0 && isRange(text))
        throw notYet(`One number is expected, and ${quoted(text)} is a range. Give one number.`);
      return numbersIn(text, wanted, percent);
    };
    const open = texts.flatMap((text, index) => bare(text) ? [] : [index + 1]);
    if (open.length === count) return null;
    if (count === 1 || (!open.includes(1) && open.length === count - 1)) {
      const together = numbersOf(texts[0], count);
      if (together) return together;
      if (count === 1) throw notYet(`One number is expected, and ${quoted(texts[0])} cannot be read as that.`);
    }
    if (open.length) throw notYet(`Still open: ${places(open)}.`);
    return texts.map((text, index) => {
      const number = numbersOf(text, 1);
      if (!number) throw notYet(`${quoted(text)} cannot be read as number ${index + 1}.`);
      return number[0];
    });
  };
  const judge = {
    value(data, form) {
      const texts = [...form.querySelectorAll("input")].map((input) => input.value);
      const { truth } = data, count = truth.length, same = near(data), given = read(texts, count, data);
      if (!given) return untouched(data);
      if (same(given, truth)) return correct(data.correct);
      const rows = [["Read as", given.map(shown).join(", ")]];
      const known = data.mistakes.find((mistake) => mistake.forms.some((wrong) => same(given, wrong)));
      if (known) return notYet(looksLike(known), known.name, rows);
      const found = slip(data, given, same);
      if (found) return notYet(found[1], found[0], rows);
      for (const value of given)
        if ((data.low !== null && value < data.low) || (data.high !== null && value > data.high))
          return notYet(`${shown(value)} cannot be meant: ${data.range}`, null, rows);
      const wrong = given.flatMap((value, k) => same([value], [truth[k]]) ? [] : [k]);
      const far = `${shown(given[wrong[0]])} is ${distance(given[wrong[0]], truth[wrong[0]])}.`;
      if (count === 1) return notYet(far, null, rows);
      const again = `Of the ${count} numbers, look again at ${places(wrong.map((k) => k + 1))}`;
      return notYet(again + (wrong.length === 1 ? `: ${far}` : "."), null, rows);
    },
    choice(data, form) {
      const letter = form.querySelector("input:checked")?.value;
      if (!letter) return untouched(data);
      const option = data.options.find((one) => one.letter === letter);
      return option.right ? correct(option.message) : notYet(option.message, option.text);
    },
    table(data, form) {
      const rows = Object.keys(data.truth), given = {};
      for (const box of form.querySelectorAll("input:checked")) {
        given[box.dataset.row] ??= [];
        if (box.value) given[box.dataset.row].push(box.value);
      }
      if (!Object.keys(given).length) return untouched(data);
      const missing = rows.filter((row) => !(row in given));
      if (missing.length) return notYet(`Still open: ${missing.join(", ")}. A row without labels is \`()\`.`);
      const off = (row, label) => given[row].includes(label) !== data.truth[row].includes(label);
      const bad = rows.filter((row) => data.labels.some((label) => off(row, label)));
      if (!bad.length) return correct(data.correct);
      const score = `${rows.length - bad.length} of ${rows.length} rows are right.`;
      if (bad.length > 1 && rows.every((row) => data.labels.every((label) => off(row, label))))
        return notYet(`${score} Every cell is turned round: name the labels that belong to a row.`);
      const same = (row, labels) => data.labels.every((label) => given[row].includes(label) === labels.includes(label));
      const made = data.mistakes
        .filter(({ forms }) => forms.some(({ row, label }) => (Array.isArray(label) ? same : off)(row, label)))
        .slice(0, 2);
      if (!made.length) return notYet(`${score} Look again at the row ${quoted(bad[0])}.`);
      const more = made.length > 1 ? ` And ${made[1].name}: ${made[1].explanation}` : "";
      return notYet(`${score} ${looksLike(made[0])}${more}`, made.map((mistake) => mistake.name).join(", and "));
    },
  };

  // ---- the form
  const HEADLINES = { "correct": "✓ Correct", "not yet": "✗ Not yet", "not attempted": "○ Not attempted yet" };
  const make = (tag, parent, text = "") => {
    const node = document.createElement(tag);
    text.split("`").forEach((part, index) => {
      if (index % 2) node.appendChild(document.createElement("code")).textContent = part;
      else node.append(part);
    });
    parent.append(node);
    return node;
  };
  for (const form of document.querySelectorAll("form.ac-answer")) {
    const data = JSON.parse(form.querySelector("script").textContent);
    const said = form.querySelector(".ac-verdict"), again = form.querySelector("[type=reset]");
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      let verdict;
      try {
        verdict = judge[data.kind](data, form);
      } catch (stop) {
        if (!stop.status) throw stop;
        verdict = stop;
      }
      if (verdict.status === "not yet" && !verdict.name)
        verdict.details = [...verdict.details, ["Stuck?", "The hints are above, the solution is folded below."]];
      said.replaceChildren();
      said.dataset.status = verdict.status;
      const [symbol, ...words] = HEADLINES[verdict.status].split(" ");
      const line = make("p", said);
      make("span", line, symbol).setAttribute("aria-hidden", "true");
      make("strong", line, ` ${words.join(" ")}`);
      make("p", said, verdict.message);
      for (const [label, text] of verdict.details) {
        const row = make("p", said);
        make("em", row, label.endsWith("?") ? label : `${label}:`);
        row.append(` ${text}`);
      }
      again.hidden = verdict.status === "not attempted";
      if (verdict.status === "not attempted") return;
      const detail = { name: data.id, status: verdict.status };
      dispatchEvent(new CustomEvent("attncourse-answer", { detail }));
    });
    form.addEventListener("reset", () => {
      said.replaceChildren();
      delete said.dataset.status;
      again.hidden = true;
      form.querySelector("input").focus();
    });
    // "None" and the labels of its row exclude one another.
    form.addEventListener("change", ({ target }) => {
      if (!target.checked || !target.dataset.row) return;
      for (const box of form.querySelectorAll("input"))
        if (box.dataset.row === target.dataset.row && !box.value !== !target.value) box.checked = false;
    });
  }
})();
