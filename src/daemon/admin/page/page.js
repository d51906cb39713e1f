// The live part of the status page: an event a second has the values that the server's tables had when the page
// was loaded, by the same names. Values are put in as text only, so that no name can become markup.
"use strict";

const HISTORY = 300; // events that the plots show
const WINDOW = 10; // events over which percentiles are taken
const RETRY_MS = 5000; // when the server has refused a stream
const SILENT_MS = 5000; // without an event, the page says that it is old

// -- tables -------------------------------------------------------------------------------------------

function shown(value) {
	if (typeof value !== "number")
		return String(value);
	return Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(1);
}

function setText(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

// Gives a parent as many children of a kind as there are values, and has `fill` fill each.
function fit(parent, tag, values, fill) {
	while (parent.children.length > values.length)
		parent.lastElementChild.remove();
	while (parent.children.length < values.length)
		parent.append(document.createElement(tag));
	values.forEach((value, i) => fill(parent.children[i], value));
}

function fillCell(cell, value) {
	cell.className = typeof value === "number" ? "n" : "";
	setText(cell, shown(value));
}

const spaced = (name) => name.replaceAll("_", " ");

function fillGroup(body, group) {
	fit(body, "tr", Object.entries(group), (row, [name, value]) => {
		if (row.children.length === 0)
			row.append(document.createElement("th"), document.createElement("td"));
		setText(row.children[0], spaced(name));
		fillCell(row.children[1], value);
	});
}

function fillList(table, items) {
	const names = Object.keys(items[0]).filter((name) => !Array.isArray(items[0][name]));
	table.append(table.tHead || table.createTHead(), table.tBodies[0] || table.createTBody());
	fit(table.tHead, "tr", [names], (row) =>
		fit(row, "th", names, (cell, name) => {
			cell.className = typeof items[0][name] === "number" ? "n" : "";
			setText(cell, spaced(name));
		}));
	fit(table.tBodies[0], "tr", items, (row, item) =>
		fit(row, "td", names.map((name) => item[name]), fillCell));
}

function fillSection(section, values, more) {
	const box = section.querySelector("div");
	const isList = Array.isArray(values);
	let table = box.querySelector("table");
	let note = box.querySelector("p");
	if (isList && values.length === 0 && table) {
		table.remove();
	} else if (!table && !(isList && values.length === 0)) {
		table = document.createElement("table");
		box.prepend(table);
	}
	if (isList && values.length)
		fillList(table, values);
	else if (!isList)
		fillGroup(table.tBodies[0] || table.createTBody(), values);
	const text = isList && values.length === 0 ? "none" : more ? `and ${shown(more)} more` : "";
	if (text && !note) {
		note = document.createElement("p");
		box.append(note);
	}
	if (note)
		setText(note, text);
}

function fillTables(data) {
	for (const section of document.querySelectorAll("main > section"))
		if (data[section.id] !== undefined)
			fillSection(section, data[section.id], data[`${section.id}_more`]);
}

// -- what the plots show ------------------------------------------------------------------------------

const history = []; // {time, data}, the oldest first

// The change a second of a number since the event before. Counters begin at 0 when the daemon starts again.
function rate(of) {
	return (now, before) => {
		if (!before)
			return null;
		const change = (of(now.data) ?? 0) - (of(before.data) ?? 0);
		return change < 0 ? null : change / (now.time - before.time);
	};
}

const level = (of) => (now) => of(now.data) ?? null;
const find = (list, name, value) => (list || []).find((item) => item[name] === value);
const sum = (list, of) => (list || []).reduce((total, item) => total + of(item), 0);

// The upper bound of the bucket that a part of the durations of the last events is below.
function percentile(name, part) {
	return (now, before, index) => {
		const old = history[Math.max(0, index - WINDOW)];
		const last = find(now.data.durations, "duration", name)?.buckets;
		const first = find(old.data.durations, "duration", name)?.buckets;
		if (!last || old === now)
			return null;
		const changes = last.map((count, i) => count - (first ? first[i] : 0));
		const total = changes.reduce((a, b) => a + b, 0);
		if (total <= 0 || changes.some((change) => change < 0))
			return null;
		let seen = 0;
		return 2 ** changes.findIndex((change) => (seen += change) >= total * part);
	};
}

function short(value) {
	if (value == null)
		return "–";
	for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
		if (Math.abs(value) >= size)
			return `${+(value / size).toPrecision(3)} ${unit}`;
	return String(+value.toPrecision(3));
}

// Each plot: a title, and its lines, [name, value, side]. Lines with side 1 have the right axis.
function plotsOf(data) {
	const plots = [
		["Requests a second", data.protocols.map((item) =>
			[item.protocol, rate((d) => find(d.protocols, "protocol", item.protocol)?.requests)])],
		["Latency in ms (last 10 s)", [
			["http 50 %", percentile("http request", 0.5)],
			["http 99 %", percentile("http request", 0.99)],
			["smtp 99 %", percentile("smtp message", 0.99)],
			["ftp 99 %", percentile("ftp transfer", 0.99)],
			["dns upstream 99 %", percentile("dns question upstream", 0.99)],
			["loop turn 99 %", percentile("turn of a loop", 0.99)],
		].filter(([name]) => data.protocols.some((item) => name.startsWith(item.protocol)) || name.startsWith("loop"))],
		["Connections by protocol", data.connections.map((item) =>
			[item.listener, level((d) => {
				const found = find(d.connections, "listener", item.listener);
				return found && found.idle + found.receiving + found.replying;
			})])],
		["Connections by state", ["idle", "receiving", "replying"].map((state) =>
			[state, level((d) => sum(d.connections, (item) => item[state]))])],
		["Waiting to leave", [
			["replies", level((d) => d.waiting_to_leave.replies_queued)],
			["bytes in the kernel", level((d) => d.waiting_to_leave.kernel_bytes), 1],
		]],
		["Bytes a second", [
			["sent", rate((d) => d.process.sent_bytes)],
			["received", rate((d) => d.process.received_bytes)],
		]],
	];
	if (data.mail_queue)
		plots.push(["Mail queue", [
			["messages", level((d) => d.mail_queue?.messages)],
			["oldest, seconds", level((d) => d.mail_queue?.oldest_age_seconds), 1],
		]]);
	if (data.dns?.cache_entries !== undefined)
		plots.push(["DNS cache", [
			["hits a second", rate((d) => d.dns.cache_hits)],
			["misses a second", rate((d) => d.dns.cache_misses)],
			["entries", level((d) => d.dns.cache_entries), 1],
		]]);
	return plots;
}

// -- plots --------------------------------------------------------------------------------------------

const style = getComputedStyle(document.documentElement);
const colour = (name) => () => style.getPropertyValue(name).trim();
const PLOT_HEIGHT = 170;

function axis(side) {
	return {
		scale: side ? "y1" : "y",
		side: side ? 1 : 3,
		size: 52,
		font: "12px system-ui, sans-serif",
		stroke: colour("--muted"),
		grid: {show: !side, stroke: colour("--line"), width: 1},
		ticks: {show: false},
		values: (plot, values) => values.map((value) => value === null ? "" : short(value)),
	};
}

function makePlot([title, lines]) {
	const figure = document.createElement("figure");
	const caption = document.createElement("figcaption");
	caption.textContent = title;
	figure.append(caption);
	document.getElementById("plots").append(figure);
	const right = lines.some(([, , side]) => side);
	const options = {
		width: Math.max(figure.clientWidth - 32, 100),
		height: PLOT_HEIGHT,
		padding: [8, right ? 0 : 24, 0, 0],
		cursor: {drag: {x: false, y: false}, points: {size: 6}},
		scales: {x: {time: true}, y: {range: {min: {pad: 0, soft: 0, mode: 1}, max: {pad: 0.1, soft: 1, mode: 1}}}},
		legend: {markers: {fill: (drawn, i) => drawn.series[i].stroke(drawn, i)}},
		axes: [{
			font: "12px system-ui, sans-serif",
			stroke: colour("--muted"),
			grid: {show: false},
			ticks: {show: false},
			size: 30,
			space: 70,
			values: (plot, times) => times.map((time) => new Date(time * 1000).toTimeString().slice(0, 8)),
		}, axis(0), ...(right ? [axis(1)] : [])],
		series: [
			{value: (plot, time) => time === null ? "now" : new Date(time * 1000).toTimeString().slice(0, 8)},
			...lines.map(([name, , side], i) => ({
				label: name,
				scale: side ? "y1" : "y",
				stroke: colour(`--plot-${i % 6 + 1}`),
				width: 1.5,
				dash: i >= 6 ? [4, 3] : undefined,
				points: {show: false},
				value: (plot, value, index, at) => {
					const values = plot.data[index];
					return short(at === null && values ? values[values.length - 1] : value);
				},
			})),
		],
	};
	if (right)
		options.scales.y1 = options.scales.y;
	const plot = new uPlot(options, [[], ...lines.map(() => [])], figure);
	new ResizeObserver(() => {
		const width = figure.clientWidth - 32;
		if (width > 0 && width !== plot.width)
			plot.setSize({width, height: PLOT_HEIGHT});
	}).observe(figure);
	return {title, plot, lines, values: lines.map(() => [])};
}

let plots = [];
const keyOf = (wanted) => JSON.stringify(wanted.map(([title, lines]) => [title, lines.map(([name]) => name)]));
let plotsKey = "";

function addPoint(made, index) {
	made.lines.forEach(([, of], i) =>
		made.values[i].push(of(history[index], history[index - 1], index)));
}

function drawPlots(data) {
	const wanted = plotsOf(data);
	const fresh = keyOf(wanted) !== plotsKey;
	if (fresh) {
		document.getElementById("plots").hidden = false;
		plots.forEach(({plot}) => plot.destroy());
		document.getElementById("plots").replaceChildren();
		plotsKey = keyOf(wanted);
		plots = wanted.map(makePlot);
	}
	const times = history.map((entry) => entry.time);
	for (const made of plots) {
		for (let i = fresh ? 0 : history.length - 1; i < history.length; i++)
			addPoint(made, i);
		made.values.forEach((values) => values.splice(0, values.length - history.length));
		made.plot.setData([times, ...made.values]);
	}
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
	plotsKey = "";
	if (history.length)
		drawPlots(history.at(-1).data);
});

// -- events -------------------------------------------------------------------------------------------

const state = document.getElementById("state");
let lastMs = 0;

function report(text, broken) {
	setText(state, text);
	state.className = broken ? "broken" : "";
}

function duration(seconds) {
	const days = Math.floor(seconds / 86400);
	const clock = new Date(seconds % 86400 * 1000).toISOString().slice(11, 19);
	return days ? `${days} d ${clock}` : clock;
}

function onEvent(event) {
	const data = JSON.parse(event.data);
	lastMs = Date.now();
	history.push({time: lastMs / 1000, data});
	if (history.length > HISTORY)
		history.shift();
	fillTables(data);
	drawPlots(data);
	report(`live, version ${data.process.version}, up ${duration(data.process.uptime_seconds)}`, false);
}

// A browser opens a broken stream again by itself, but not one that was refused.
function connect() {
	// Without a name and password that the URL of the page may have.
	const events = new EventSource(new URL("events", location.origin + location.pathname));
	events.onmessage = onEvent;
	events.onerror = () => {
		report("no connection: these values are old", true);
		if (events.readyState === EventSource.CLOSED)
			setTimeout(connect, RETRY_MS);
	};
}

setInterval(() => {
	if (lastMs && Date.now() - lastMs > SILENT_MS)
		report("no connection: these values are old", true);
}, 1000);

document.title = `Weir on ${location.host}`;
report("connecting", false);
connect();
