// The script of the Manage Backup page. Everything that is shown was rendered by the function; this sends what the user asks for to the JSON API
// and puts newly rendered parts in the place of old ones. It makes elements from text in one place only, take, with what the function rendered.
'use strict';
(() => {
const policy = window.trustedTypes?.createPolicy('page', {createHTML: text => text}) ?? {createHTML: text => text};
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const say = key => one('#texts').dataset[key];
const base = location.pathname.endsWith('/') ? location.pathname : location.pathname + '/';
const {workspace, folder} = document.body.dataset;
document.documentElement.classList.add('script');

// The API.

// address is where a path of the API lies: beside the page, behind whatever a gateway puts before it.
function address(path, parameters = {}) {
  const url = new URL(base + path, location.origin);
  for (const [name, value] of Object.entries(parameters)) if (value) url.searchParams.set(name, value);
  return url;
}

// call sends a request. An answer that is no success is an error with its message, its status and its code.
async function call(method, url, body, headers = {}) {
  const init = {method, headers, credentials: 'same-origin', cache: 'no-store'};
  if (body !== undefined) {
    init.body = typeof body === 'string' ? body : JSON.stringify(body);
    init.headers = {'Content-Type': 'application/json', ...headers};
  }
  const response = await fetch(url, init);
  const text = await response.text();
  let data = null;
  try { data = JSON.parse(text); } catch { /* a gateway's own answer */ }
  if (!response.ok) {
    const error = new Error(data?.error?.message ?? data?.error_msg ?? data?.message ?? `${response.status} ${response.statusText}`);
    throw Object.assign(error, {status: response.status, code: data?.error?.code, data});
  }
  return {status: response.status, data, text, headers: response.headers};
}

// Parts of the page.

// read asks for the page at an address as a document.
async function read(url) {
  const response = await fetch(url, {headers: {Accept: 'text/html'}, credentials: 'same-origin', cache: 'no-cache'});
  const next = new DOMParser().parseFromString(policy.createHTML(await response.text()), 'text/html');
  if (!one('#main', next)) throw new Error(say('gone'));
  return next;
}

// take puts the parts of a newly rendered page in the place of those that look otherwise, and says whether there were any.
function take(next) {
  let changed = false;
  const open = new Set(all('details[open][id]').map(d => d.id));
  const focus = document.activeElement?.closest('[data-part]') ? document.activeElement.id || document.activeElement.getAttribute('href') : null;
  for (const part of all('[data-part]', next)) {
    const old = document.getElementById(part.id);
    if (!old || old.isEqualNode(part)) continue;
    for (const details of all('details[id]', part)) if (open.has(details.id)) details.open = true;
    if (old.isEqualNode(part)) continue;
    old.replaceWith(document.adoptNode(part));
    changed = true;
  }
  for (const dialog of all('dialog', next)) { // what a dialog sends may have changed with what is shown; one that is open stays
    const old = document.getElementById(dialog.id);
    if (old && !old.open && !old.isEqualNode(dialog)) old.replaceWith(document.adoptNode(dialog));
  }
  if (focus && document.activeElement === document.body) {
    (document.getElementById(focus) ?? all('#main a').find(a => a.getAttribute('href') === focus))?.focus();
  }
  one('#main').toggleAttribute('data-live', one('#main', next).hasAttribute('data-live'));
  return changed;
}

async function refresh() { return take(await read(location.href)); }

// While something is under way the page asks again, less often the longer nothing happens, and not while nobody looks.
let pause = 2000, timer = 0, expected = 0, awaited = false;
function watch() {
  clearTimeout(timer);
  if (!one('#main').hasAttribute('data-live') && Date.now() > expected) {
    if (awaited) notice(say('nothing'), true);
    awaited = false;
    return;
  }
  timer = setTimeout(async () => {
    if (!document.hidden) {
      try {
        const changed = await refresh();
        pause = changed ? 2000 : Math.min(pause * 1.3, 15000);
        if (changed && awaited) { awaited = false; notice(''); }
      } catch { pause = 15000; }
    }
    watch();
  }, pause);
}
// expect keeps the page asking for a while, because something that was asked for is about to show.
function expect(ms) { expected = Date.now() + ms; awaited = true; pause = 1000; watch(); }
document.addEventListener('visibilitychange', () => { if (!document.hidden) { pause = 2000; watch(); } });

function notice(text, bad = false) {
  const box = one('#notice');
  box.textContent = text;
  box.classList.toggle('alert', bad);
}

// Dialogs.

const openers = new WeakMap();
function show(dialog, opener) {
  openers.set(dialog, opener);
  const alert = one('.alert', dialog);
  if (alert) alert.hidden = true;
  const partial = one('[name=allowPartial]', dialog);
  if (partial) {
    partial.checked = 'partial' in (opener?.dataset ?? {});
    if (partial.checked) partial.closest('details').open = true;
  }
  if (opener?.dataset.path) { const field = one('[name=path]', dialog); if (field) field.value = opener.dataset.path; }
  dialog.showModal();
  for (const box of all('[data-browse]', dialog)) if (!box.childElementCount) browse(box, box.dataset.from);
}
document.addEventListener('close', event => { openers.get(event.target)?.focus(); }, true);

function fail(form, error) {
  const alert = one('.alert', form);
  alert.textContent = `${say('failed')} ${error.message}`;
  alert.hidden = false;
  alert.scrollIntoView({block: 'nearest'});
}

// busy keeps a form from being sent twice, and shows why it waits.
async function busy(form, text, work) {
  const buttons = all('button:not([data-close])', form).filter(b => !b.disabled);
  const alert = one('.alert', form);
  const button = buttons.at(-1), label = button?.textContent;
  if (alert) alert.hidden = true;
  for (const b of buttons) b.disabled = true;
  form.setAttribute('aria-busy', 'true');
  if (button) button.textContent = text ?? say('wait');
  try {
    await work();
  } catch (error) {
    fail(form, error);
  } finally {
    for (const b of buttons) b.disabled = false;
    if (button) button.textContent = label;
    form.removeAttribute('aria-busy');
  }
}

// Browsing folders.

async function browse(box, path) {
  box.setAttribute('aria-busy', 'true');
  try {
    const {data} = await call('GET', address('folders', {path, workspace}));
    const list = document.createElement('ul');
    const add = (text, target, name) => {
      const item = document.createElement('li'), button = document.createElement('button');
      button.type = 'button';
      button.textContent = text;
      button.addEventListener('click', () => { pick(box, target, name); browse(box, target); });
      item.append(button);
      list.append(item);
    };
    if (data.parent !== null && within(box, data.parent)) add(`↑ ${say('up')}`, data.parent);
    const dated = f => /^\d{4}-\d\d-\d\d/.test(f.name); // the newest backup first, the rest as it comes
    for (const folder of [...data.folders.filter(dated).reverse(), ...data.folders.filter(f => !dated(f))]) {
      if (box.hasAttribute('data-plain') && own(folder.name)) continue;
      add(`▸ ${folder.name}`, folder.path, folder.name);
    }
    const here = document.createElement('p');
    here.append(Object.assign(document.createElement('code'), {textContent: data.path}));
    const nodes = [here, list];
    if (!list.childElementCount) nodes.push(Object.assign(document.createElement('p'), {className: 'soft', textContent: say('none')}));
    if (data.truncated) nodes.push(Object.assign(document.createElement('p'), {className: 'soft', textContent: say('truncated')}));
    const focused = box.contains(document.activeElement);
    box.replaceChildren(...nodes);
    if (focused) one('button', box)?.focus();
  } catch (error) {
    box.replaceChildren(Object.assign(document.createElement('p'), {className: 'alert', textContent: error.message}));
  } finally {
    box.removeAttribute('aria-busy');
  }
}

// within keeps the choice of a folder for backups below the location.
const within = (box, path) => !box.hasAttribute('data-plain') || path.startsWith(box.dataset.from);
// own are folders that a backup would not be put into: dated ones, and those of the functions.
const own = name => /^\d{4}-\d\d-\d\d(T\d{6})?$/.test(name) || ['leases', 'restores', 'restore-requests', 'drills', 'verifications'].includes(name);

function pick(box, path) {
  const field = box.closest('form').elements[box.dataset.browse];
  field.value = box.hasAttribute('data-plain') ? path.slice(box.dataset.from.length).replace(/\/$/, '') : path;
}

// Restoring.

// list takes a text apart at its commas; \, is a comma within a part.
const list = text => (text.match(/(?:\\.|[^,])+/gsu) ?? []).map(part => part.trim().replaceAll('\\,', ',')).filter(Boolean);
const newID = prefix => `${prefix}-${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}-${[...crypto.getRandomValues(new Uint8Array(3))].map(b => b.toString(16).padStart(2, '0')).join('')}`;

// request is what the restore dialog asks for.
function request(form) {
  const fields = form.elements, value = name => fields[name].value.trim();
  const wanted = {id: newID('plan'), path: value('path'), duplicateNamePolicy: fields.duplicateNamePolicy.value, dryRun: true};
  const kinds = all('[name=kinds]', form), chosen = kinds.filter(k => k.checked).map(k => k.value);
  const select = {};
  if (chosen.length < kinds.length) select.kinds = chosen;
  if (value('names')) select.names = list(value('names'));
  if (value('directories')) select.directories = list(value('directories'));
  if (fields.withDependencies.checked) select.withDependencies = true;
  if (Object.keys(select).length) wanted.select = select;
  for (const name of ['workspace', 'schedules', 'targetStatus']) if (value(name)) wanted[name] = value(name);
  if (value('approvers')) wanted.approvers = list(value('approvers'));
  if (fields.allowPartial.checked) wanted.allowPartial = true;
  for (const line of value('replace').split('\n').filter(l => l.trim())) {
    const found = line.match(/^\s*(connectionName|database|clusterName|obsPath|expressionTimeZone)\s*:\s*(.*?)\s+=\s+(.*?)\s*$/);
    if (!found) throw new Error(`${say('replace')} ${line}`);
    ((wanted.replace ??= {})[found[1]] ??= {})[found[2]] = found[3];
  }
  return wanted;
}

// visit opens a view, with the language and the workspace that this one has.
function visit(parameters) {
  const here = new URL(location.href), url = address('');
  for (const name of ['workspace', 'folder', 'lang']) if (here.searchParams.get(name)) url.searchParams.set(name, here.searchParams.get(name));
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  location.assign(url);
}

// plan asks for a dry run. A gateway may give up long before the function does, so that the plan is then waited for.
async function plan(wanted) {
  try {
    await call('POST', address('restores'), wanted);
  } catch (error) {
    if (error.status && ![502, 503, 504].includes(error.status)) throw error;
    for (let left = 90; ; left--) {
      await new Promise(resolve => setTimeout(resolve, 4000));
      try {
        if ((await call('GET', address(`restores/${wanted.id}`))).data.status) break;
      } catch (missing) {
        if (left === 0 || (missing.status && ![404, 502, 503, 504].includes(missing.status))) throw error;
      }
    }
  }
  visit({view: 'restore', id: wanted.id});
}

// What forms and buttons do.

const submits = {
  async put(form) { // the daily backup
    const body = {};
    const [name, value] = form.dataset.set.split('=');
    body[name] = value === 'true';
    const folder = form.elements.folder;
    if (folder && (folder.value.trim() !== folder.defaultValue || !one('#daily .COMPLETE'))) body.folder = folder.value.trim();
    await busy(form, null, async () => {
      await call('PUT', address(form.dataset.put), body);
      form.closest('dialog').close();
      await refresh();
      notice(say('saved'));
    });
  },
  async post(form) {
    await busy(form, null, async () => {
      await call('POST', address(form.dataset.post, {workspace}), folder ? {folder} : undefined);
      form.closest('dialog').close();
      notice(say(form.dataset.said));
      expect(120000);
    });
  },
  async plan(form) { await busy(form, say('planning'), async () => plan(request(form))); },
  async apply(form) {
    await busy(form, null, async () => {
      const wanted = JSON.parse(form.dataset.apply);
      delete wanted.dryRun;
      Object.assign(wanted, {id: newID('restore'), planHash: form.dataset.hash});
      await call('POST', address('restores'), wanted);
      visit({view: 'restore', id: wanted.id});
    });
  },
  async undo(form) {
    await busy(form, null, async () => {
      await call('POST', address(`restores/${form.dataset.undo}/undo`));
      form.closest('dialog').close();
      notice(say('undoing'));
      expect(120000);
    });
  },
  async document(form) { await busy(form, null, () => edit(form, false)); },
};

document.addEventListener('submit', event => {
  const form = event.target, kind = Object.keys(submits).find(name => name in form.dataset);
  if (kind) {
    event.preventDefault();
    if (!form.hasAttribute('aria-busy')) submits[kind](form);
  }
});

document.addEventListener('click', event => {
  const button = event.target.closest?.('button');
  if (!button) return;
  if (button.dataset.dialog) show(document.getElementById(button.dataset.dialog), button);
  if ('close' in button.dataset) button.closest('dialog').close();
  if (button.dataset.verify) verify(button);
  if ('check' in button.dataset) busy(button.form, null, () => edit(button.form, true));
});

async function verify(button) {
  const box = one('#verdict'), name = button.dataset.verify;
  button.disabled = true;
  notice(say('verifying'));
  try {
    const {status, data} = await call('POST', address(`backups/${name}/verify`, {workspace, folder}));
    await refresh();
    if (status === 202) { notice(say('handed')); expect(600000); return; }
    const faults = [...(data.faults ?? []), ...(data.chain?.breaks ?? []).map(b => b.message)];
    notice(faults.length ? `${data.status}\n${faults.slice(0, 20).join('\n')}` : say('verified'), faults.length > 0);
  } catch (error) {
    notice(`${say('failed')} ${error.message}`, true);
  } finally {
    button.disabled = false;
    box?.replaceChildren();
  }
}

// Editing backup.json: what is checked is what can be saved.

async function edit(form, check) {
  const text = form.elements.text.value, save = one('button.primary', form), box = one('#edit');
  const url = new URL(form.dataset.document, location.origin + base);
  if (check) url.searchParams.set('dryRun', 'true');
  save.disabled = true;
  box.replaceChildren();
  const {data} = await call('PUT', url, text, {'If-Match': form.dataset.etag});
  if (!check) {
    form.dataset.etag = data.etag;
    notice(say('saved'));
    return;
  }
  if (!data.diff) { box.textContent = say('unchanged'); return; }
  const pre = document.createElement('pre');
  pre.className = 'diff';
  for (const line of data.diff.replace(/\n$/, '').split('\n')) {
    const span = document.createElement('span');
    span.className = line.startsWith('@@') || (pre.childElementCount < 2 && /^(---|\+\+\+) /.test(line)) ? 'at' : line.startsWith('+') ? 'add' : line.startsWith('-') ? 'del' : '';
    span.textContent = line;
    pre.append(span);
  }
  box.append(Object.assign(document.createElement('p'), {textContent: say('legal')}), pre);
  // After busy has put back what it found; and not if something else was typed meanwhile.
  setTimeout(() => { save.disabled = form.elements.text.value !== text; });
}

document.addEventListener('input', event => {
  const form = event.target.form;
  if (form && 'document' in form.dataset) one('button.primary', form).disabled = true;
  if (form && 'auto' in form.dataset && event.target.type === 'search') filter(form, 250);
});
document.addEventListener('change', event => {
  const form = event.target.form;
  if (form && 'auto' in form.dataset && event.target.tagName === 'SELECT') filter(form, 0);
});

// filter shows what fits while one types.
let typing = 0, asked = 0;
function filter(form, delay) {
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const url = address('');
    for (const [name, value] of new FormData(form)) if (value) url.searchParams.append(name, value);
    const mine = ++asked;
    try {
      const next = await read(url);
      if (mine !== asked) return; // something newer was typed meanwhile
      history.replaceState(null, '', url);
      take(next);
      for (const link of all('a[download]', form)) {
        const target = one(`form[data-auto] a[download]`, next)?.getAttribute('href');
        link.hidden = !target;
        if (target) link.href = base + target;
      }
    } catch (error) {
      notice(error.message, true);
    }
  }, delay);
}

// Tabs: as links they work without script, too.
const tabs = all('[role=tab]');
function front(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute('aria-selected', chosen);
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute('aria-controls')).hidden = !chosen;
  }
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener('click', event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    front(tab);
    history.replaceState(null, '', tab.href);
  });
  tab.addEventListener('keydown', event => {
    const next = {ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1}[event.key];
    if (next === undefined) { if (event.key === ' ') { event.preventDefault(); tab.click(); } return; }
    event.preventDefault();
    const target = tabs[(next + tabs.length) % tabs.length];
    target.click();
    target.focus();
  });
}

// Files lie beside the page, also where its address does not end in a slash.
for (const link of all('a[download]')) link.href = base + link.getAttribute('href');

watch();
})();
