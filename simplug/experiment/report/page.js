"use strict";

// Tables sort by the column whose heading is pressed: numbers by their value, names as people order them.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => [row, keyOf(row.cells[column])]);
      rows.sort(([, a], [, b]) => compare(a, b, down));
      table.tBodies[0].append(...rows.map(([row]) => row));
    });
  });
}

function keyOf(cell) {
  const value = cell.dataset.value;
  if (value === undefined) return cell.textContent;
  return value === "" ? null : Number(value);
}

// What is not known comes last, whichever way the rest is sorted.
function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
  return down ? -order : order;
}

for (const button of document.querySelectorAll("button.more")) {
  button.addEventListener("click", () => {
    document.getElementById(button.getAttribute("aria-controls")).classList.remove("short");
    button.remove();
  });
}

for (const place of document.querySelectorAll(".projection")) showPoints(place);

function showPoints(place) {
  const data = place.querySelector(".points");
  if (!data) return;
  const { names, points, columns, rows } = JSON.parse(data.textContent);
  const tip = place.querySelector(".tip");

  place.querySelector(".mistakes").addEventListener("change", (event) => {
    place.classList.toggle("only-mistakes", event.target.checked);
    forget();
  });
  for (const button of place.querySelectorAll(".controls button")) {
    button.addEventListener("click", () => {
      for (const other of place.querySelectorAll(".controls button")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      for (const figure of place.querySelectorAll("figure")) {
        figure.hidden = figure.dataset.method !== button.dataset.method;
      }
      forget();
    });
  }
  for (const drawing of place.querySelectorAll("svg")) {
    const marks = [...drawing.querySelectorAll("use")];
    const spots = marks.map((mark) => [mark.x.baseVal.value, mark.y.baseVal.value]);
    const look = (event) => point(drawing, marks, spots, event);
    drawing.addEventListener("pointermove", look);
    drawing.addEventListener("pointerdown", look);
    drawing.addEventListener("pointerleave", (event) => {
      // A finger that is lifted leaves what it showed.
      if (event.pointerType === "mouse") forget();
    });
  }

  // The nearest point within reach of the pointer is the one that is meant; a finger reaches farther.
  function point(drawing, marks, spots, event) {
    const matrix = drawing.getScreenCTM();
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    const mistakes = place.classList.contains("only-mistakes");
    let best = -1;
    let least = ((event.pointerType === "mouse" ? 16 : 32) / matrix.a) ** 2;
    spots.forEach(([x, y], i) => {
      const square = (x - at.x) ** 2 + (y - at.y) ** 2;
      if (square < least && !(mistakes && points[i][3])) [best, least] = [i, square];
    });
    forget();
    if (best >= 0) show(marks, best, matrix, spots[best]);
  }

  function forget() {
    tip.hidden = true;
    for (const mark of place.querySelectorAll(".picked, .dim")) mark.classList.remove("picked", "dim");
  }

  function show(marks, chosen, matrix, [x, y]) {
    const [label, matched, distance, right] = points[chosen];
    marks.forEach((mark, i) => mark.classList.toggle("dim", points[i][0] !== label));
    marks[chosen].classList.remove("dim");
    marks[chosen].classList.add("picked");
    tip.replaceChildren(...(columns ? [tile(chosen)] : []), told(names[label], names[matched], distance, right));
    tip.hidden = false;
    const frame = place.getBoundingClientRect();
    const left = matrix.a * x + matrix.e - frame.left;
    const top = matrix.d * y + matrix.f - frame.top;
    const room = frame.width - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(left + 14, room))}px`;
    tip.style.top = `${top - tip.offsetHeight - 12}px`;
  }

  function tile(chosen) {
    const picture = document.createElement("i");
    const across = columns > 1 ? (chosen % columns) / (columns - 1) : 0;
    const down = rows > 1 ? Math.floor(chosen / columns) / (rows - 1) : 0;
    picture.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    picture.style.backgroundPosition = `${100 * across}% ${100 * down}%`;
    return picture;
  }

  function told(label, matched, distance, right) {
    const words = document.createElement("div");
    words.append(line(`label: ${label}`), line(`${right ? "✓" : "✗"} matched: ${matched}`, right ? "right" : "wrong"));
    if (distance !== null) words.append(line(`distance: ${distance}`));
    return words;
  }

  function line(content, kind = "") {
    const row = document.createElement("div");
    row.textContent = content;
    row.className = kind;
    return row;
  }
}
