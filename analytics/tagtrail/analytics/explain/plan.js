// The floors: cells by their posterior, walls, antennas and rings about those that read.

const panels = about.floors.map((floor) => {
  const section = document.createElement("section");
  section.className = "floor";
  const title = document.createElement("h2");
  const share = document.createElement("span");
  title.append(floor.name, share);
  const box = document.createElement("div");
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  box.append(canvas);
  section.append(title, box);
  $("floors").append(section);
  return { canvas, share, pen: null, scale: 1, left: 0, top: 0 };
});

const point = (panel, x, y) => [panel.left + x * panel.scale, panel.top - y * panel.scale];

function trace(panel, corners, close) {
  panel.pen.beginPath();
  corners.forEach(([x, y], index) => panel.pen[index ? "lineTo" : "moveTo"](...point(panel, x, y)));
  if (close) panel.pen.closePath();
}

/** A place for a zone's name: the left end of its upper edge, and the room there, across and down. */
const corners = about.zones.map(({ polygon }) => {
  const top = Math.max(...polygon.map((corner) => corner[1]));
  const edge = polygon.filter((corner) => corner[1] === top).map((corner) => corner[0]);
  const left = Math.min(...edge);
  const all = polygon.map((corner) => corner[0]);
  const low = Math.min(...polygon.map((corner) => corner[1]));
  return { left, top, width: (edge.length > 1 ? Math.max(...edge) : Math.max(...all)) - left, depth: top - low };
});

/** Cells with a share in a second: cell, share. */
function cellsAt(step) {
  const cells = [];
  if (step < 0) return cells;
  for (let row = firstCell[step]; row < firstCell[step + 1]; row++) {
    cells.push({ cell: data.cell[row], share: data.cell_share[row] / about.parts });
  }
  return cells;
}

function drawCells(cells) {
  const most = cells.reduce((a, { share }) => Math.max(a, share), 0.05);
  for (const { cell, share } of cells) {
    const { floor, zone, boxes } = about.cells[cell];
    const panel = panels[floor];
    panel.pen.fillStyle = colourOf(zone < 0 ? NO_ZONE : zone);
    panel.pen.globalAlpha = 0.06 + 0.9 * Math.sqrt(share / Math.max(most, 0.3));
    for (const [x, y, wide, deep] of boxes) {
      const [left, bottom] = point(panel, x, y);
      panel.pen.fillRect(left, bottom - deep * panel.scale, wide * panel.scale + 0.4, deep * panel.scale + 0.4);
    }
  }
  for (const { pen } of panels) pen.globalAlpha = 1;
}

function drawFloors(cells, reads) {
  panels.forEach((panel, index) => {
    const floor = about.floors[index];
    const [pen, wide, high] = fit(panel.canvas);
    panel.pen = pen;
    panel.scale = Math.max(0.1, Math.min((wide - 8) / floor.width, (high - 8) / floor.depth));
    panel.left = (wide - floor.width * panel.scale) / 2;
    panel.top = (high + floor.depth * panel.scale) / 2;
  });
  drawCells(cells);
  about.zones.forEach((zone) => {
    const panel = panels[zone.floor];
    trace(panel, zone.polygon, true);
    panel.pen.lineWidth = 1;
    panel.pen.strokeStyle = colours.faint;
    panel.pen.stroke();
  });
  panels.forEach((panel, index) => {
    const floor = about.floors[index];
    const { pen } = panel;
    pen.lineWidth = 2;
    pen.strokeStyle = colours.wall;
    pen.strokeRect(...point(panel, 0, floor.depth), floor.width * panel.scale, floor.depth * panel.scale);
    pen.lineWidth = 3.5;
    pen.lineCap = "round";
    for (const wall of floor.walls) {
      trace(panel, wall, false);
      pen.stroke();
    }
    const share = cells.reduce((sum, one) => sum + (about.cells[one.cell].floor === index ? one.share : 0), 0);
    panel.share.textContent = percent(share);
    panel.canvas.setAttribute("aria-label", `${floor.name}: ${percent(share)} of the posterior`);
  });
  about.zones.forEach((zone, index) => {
    const panel = panels[zone.floor];
    const { pen, scale } = panel;
    const { left, top, width, depth } = corners[index];
    const [x, y] = point(panel, left, top);
    pen.font = "10.5px system-ui, sans-serif";
    pen.textBaseline = "top";
    const name = about.places[index];
    const across = shorten(pen, name, width * scale - 6);
    const fitsDown = width * scale > 14 && pen.measureText(name).width <= depth * scale - 6;
    if (across === name || !fitsDown) return write(pen, across, x + 4, y + 3, colours.ink);
    pen.save();
    pen.translate(x + 2, y + depth * scale - 3);
    pen.rotate(-Math.PI / 2);
    write(pen, name, 0, 0, colours.ink);
    pen.restore();
  });
  drawAntennas(reads);
}

const percent = (share) => `${Math.round(100 * share)} %`;

function drawAntennas(reads) {
  const best = new Map();
  for (const { antenna, dbm } of reads) best.set(antenna, Math.max(best.get(antenna) ?? -Infinity, dbm ?? weakest));
  about.antennas.forEach((antenna, number) => {
    const panel = panels[antenna.floor];
    const { pen } = panel;
    const [x, y] = point(panel, antenna.x, antenna.y);
    if (best.has(number)) {
      pen.beginPath();
      pen.arc(x, y, 9 + 9 * ((best.get(number) - weakest) / (strongest - weakest)), 0, 7);
      pen.lineWidth = 3;
      pen.strokeStyle = colours.ring;
      pen.stroke();
    }
    pen.beginPath();
    pen.moveTo(x, y - 4);
    pen.lineTo(x + 4, y + 3.5);
    pen.lineTo(x - 4, y + 3.5);
    pen.closePath();
    pen.fillStyle = colours.antenna;
    pen.fill();
    pen.lineWidth = 0.8;
    pen.strokeStyle = colours.card;
    pen.stroke();
  });
}
