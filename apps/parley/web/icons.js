// Line icons on a 24 by 24 grid, drawn from path data.

const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h10",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  hash: "M10 4L8 20M16 4l-2 16M5 9h15M4 15h15",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  at: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM16 8v5.500a2.500 2.500 0 0 0 5 0V12a9 9 0 1 0-3.600 7.200",
  clip: "M19.500 11.500l-7.800 7.800a4.800 4.800 0 0 1-6.800-6.800l8.300-8.300a3.200 3.200 0 0 1 4.500 4.500l-8.200 8.200a1.600 1.600 0 0 1-2.300-2.300l7.300-7.300",
  file: "M6 3h8l4.500 4.500V21H6zM14 3v4.500h4.500",
  film: "M3.500 5h17v14h-17zM8 5v14M16 5v14M3.500 9.500H8M3.500 14.500H8M16 9.500h4.500M16 14.500h4.500",
  next: "M5 12h14M13 6l6 6-6 6",
  picture: "M4 5h16v14H4zM4 16.500l5-5 4 4 2.500-2.500 4.500 4.500M15.500 9v.01",
  sound: "M9 18V6l11-2v12M9 18a2.500 2.500 0 1 1-5 0 2.500 2.500 0 0 1 5 0zM20 16a2.500 2.500 0 1 1-5 0 2.500 2.500 0 0 1 5 0z",
  compass: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM15.500 8.500l-2 5-5 2 2-5z",
  gear: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
  smile: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8.500 14s1.200 2 3.500 2 3.500-2 3.500-2M9 9.500v.01M15 9.500v.01",
  reply: "M20 11.500a7.500 7.500 0 0 1-11 6.600L4 19.500l1.400-4.700A7.500 7.500 0 1 1 20 11.500z",
  pencil: "M4 20l1-4L16.500 4.500a2.100 2.100 0 0 1 3 3L8 19z",
  trash: "M4 7h16M9 7V4.500h6V7M6 7l1 13h10l1-13M10 11v5M14 11v5",
  send: "M4.500 12L4 4.500 20.500 12 4 19.500zM4.500 12H12",
  down: "M12 5v14M6 13l6 6 6-6",
  back: "M19 12H5M11 6l-6 6 6 6",
  people: "M9 11.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c0-3.500 2.800-6 6.500-6s6.500 2.500 6.500 6M16 5a3.500 3.500 0 0 1 0 6.500M18 14.500c2.200.7 3.500 2.600 3.500 5.500",
  check: "M5 12.500l4.500 4.500L19 7.500",
  alert: "M12 4L2.500 20h19zM12 10v4M12 17v.01",
  leave: "M14 4H6v16h8M11 12h9M17 8.500l3.500 3.500-3.500 3.500",
  copy: "M9 9h10v11H9zM5 15V4h10",
  keyboard: "M3 6h18v12H3zM7 10v.01M11 10v.01M15 10v.01M7 14h10",
  key: "M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM11 12.500L20 4M16 8l3 3",
  device: "M4 5h16v11H4zM9 20h6M12 16v4",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1",
  out: "M7 17L17 7M9 7h8v8",
  in: "M17 7L7 17M15 17H7V9",
  chart: "M4 20h16M7 20v-7M12 20V5M17 20v-10",
  again: "M4.500 12a7.500 7.500 0 1 1 2.200 5.300M4 20v-4.500h4.500",
  save: "M12 4v11M7 10.500l5 5 5-5M4.500 20h15",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20.500c0-4 3.300-6.500 7.500-6.500s7.500 2.500 7.500 6.500",
};

const drawn = new Map();

/** An icon by name; it is decoration, so the element around it carries the label. */
export function icon(name) {
  if (!drawn.has(name)) drawn.set(name, draw(PATHS[name]));
  return drawn.get(name).cloneNode(true);
}

function draw(data) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", data);
  picture.append(path);
  return picture;
}
