// Where a label fits in a polygon. Points are [x, y].

function edges(polygon) {
  return polygon.map((corner, i) => [corner, polygon[(i + 1) % polygon.length]]);
}

export function contains(polygon, [x, y]) {
  let odd = false;
  for (const [[ax, ay], [bx, by]] of edges(polygon)) {
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

/** Distance to the nearest edge, negative outside. */
function depth([x, y], polygon) {
  let nearest = Infinity;
  for (const [[ax, ay], [bx, by]] of edges(polygon)) {
    const [dx, dy] = [bx - ax, by - ay];
    const along = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
    nearest = Math.min(nearest, Math.hypot(x - ax - along * dx, y - ay - along * dy));
  }
  return contains(polygon, [x, y]) ? nearest : -nearest;
}

export function bounds(polygon) {
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

/** The middle of the bounding box where that lies well inside, else about the point farthest from all edges. */
export function labelPoint(polygon) {
  const box = bounds(polygon);
  const middle = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  let best = middle;
  let bestDepth = depth(middle, polygon);
  const middleDepth = bestDepth;
  const n = 20;
  for (let i = 1; i < n; i++) {
    for (let j = 1; j < n; j++) {
      const point = [box.left + ((box.right - box.left) * i) / n, box.top + ((box.bottom - box.top) * j) / n];
      const found = depth(point, polygon);
      if (found > bestDepth) [best, bestDepth] = [point, found];
    }
  }
  return middleDepth >= 0.8 * bestDepth ? middle : best;
}

/** Width of the polygon at height y, around x. */
export function widthAt([x, y], polygon) {
  const crossings = [];
  for (const [[ax, ay], [bx, by]] of edges(polygon)) {
    if (ay > y !== by > y) crossings.push(((bx - ax) * (y - ay)) / (by - ay) + ax);
  }
  const left = Math.max(...crossings.filter((at) => at <= x));
  const right = Math.min(...crossings.filter((at) => at > x));
  return Number.isFinite(right - left) ? 2 * Math.min(right - x, x - left) : 0;
}

/** Height of the polygon at x, around y. */
export const heightAt = ([x, y], polygon) => widthAt([y, x], polygon.map(([px, py]) => [py, px]));

export const pathOf = (points, closed) => `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}${closed ? "Z" : ""}`;
