/** Angles and shapes on the wheel: degrees clockwise from the pointer at the top, lengths in the SVG's units, centre at 0, 0. */

export const RIM = 480;
export const HUB = 132;

const MARGIN = 8;
const RIM_GAP = 34; // the pointer's tip reaches in so far

export function pointAt(angle, radius) {
  const turn = (angle * Math.PI) / 180;
  return { x: radius * Math.sin(turn), y: -radius * Math.cos(turn) };
}

/** The outline of a wedge. Arcs go by way of the middle, because SVG cannot draw a full circle as one arc. */
export function wedgePath(start, end) {
  const at = (angle, radius) => { const { x, y } = pointAt(angle, radius); return `${x} ${y}`; };
  const arc = (radius, sweep, ...angles) => angles.map((angle) => `A${radius} ${radius} 0 0 ${sweep} ${at(angle, radius)}`).join("");
  const middle = (start + end) / 2;
  return `M${at(start, RIM)}${arc(RIM, 1, middle, end)}L${at(end, HUB)}${arc(HUB, 0, middle, start)}Z`;
}

/**
 * Where a label fits inside a wedge, or null. Large before small; upright in the middle before along the radius near the rim.
 * `widthPerSize` is the text's width at font size 1; `sizes` are the font sizes to try, largest first.
 */
export function labelPlace({ start, end, widthPerSize, sizes }) {
  const middle = (start + end) / 2;
  for (const size of sizes) {
    const width = size * widthPerSize;
    const upright = { ...pointAt(middle, (RIM + HUB) / 2), rotation: 0 };
    const alongRadius = { ...pointAt(middle, RIM - RIM_GAP - width / 2), rotation: middle < 180 ? middle - 90 : middle + 90 };
    for (const place of [upright, alongRadius]) {
      if (corners({ ...place, width, height: size }).every((corner) => isInside(corner, start, end))) return { ...place, size };
    }
  }
  return null;
}

function corners({ x, y, rotation, width, height }) {
  const turn = (rotation * Math.PI) / 180;
  return [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([right, down]) => {
    const [across, along] = [(right * width) / 2, (down * height) / 2];
    return { x: x + across * Math.cos(turn) - along * Math.sin(turn), y: y + across * Math.sin(turn) + along * Math.cos(turn) };
  });
}

function isInside({ x, y }, start, end) {
  const radius = Math.hypot(x, y);
  const angle = ((Math.atan2(x, -y) * 180) / Math.PI + 360) % 360;
  return radius > HUB + MARGIN && radius < RIM - MARGIN && angle > start && angle < end;
}
