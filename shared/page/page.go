// Package page renders the Manage Backup page: HTML from views, and the style and script beside it.
//
// What it guarantees: whatever a name, a script or a message holds is shown as text; the page asks no other host for anything and runs nothing but its
// own script file, so that it needs no exception in its content security policy; every text of its own is there in English and in Chinese; and
// without script everything can still be read. It knows neither buckets nor APIs: a view holds what is to be shown.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"mime"
	"path"
	"sync"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed static/page.css static/page.js
var static embed.FS

// Page renders views. It is safe for concurrent use.
type Page struct {
	files     map[string]File // by the name that the page asks for
	style     string          // that name of the style, and of the script
	script    string
	languages map[string]func() (*template.Template, error)
}

// File is a file beside the page. Its name changes with its content, so it may be kept for ever.
type File struct {
	ContentType string
	Body        []byte
}

// New prepares the page. Templates are parsed when they are first needed: most invocations of a console answer a script, not a person.
func New() *Page {
	p := &Page{files: map[string]File{}, languages: map[string]func() (*template.Template, error){}}
	p.style, p.script = p.add("static/page.css"), p.add("static/page.js")
	for _, language := range Languages() {
		p.languages[language] = sync.OnceValues(func() (*template.Template, error) { return p.parse(language) })
	}
	return p
}

// add takes an embedded file and returns the name under which the page asks for it.
func (p *Page) add(name string) string {
	body, err := static.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded above
	}
	sum := sha256.Sum256(body)
	extension := path.Ext(name)
	public := "page-" + base64.RawURLEncoding.EncodeToString(sum[:9]) + extension
	p.files[public] = File{ContentType: mime.TypeByExtension(extension), Body: body}
	return public
}

// File is the file with this name, as the page asks for it with ?file=.
func (p *Page) File(name string) (File, bool) {
	f, ok := p.files[name]
	return f, ok
}

// Policy is the Content-Security-Policy of the page. Only its own style and script are let in, and scripts cannot turn text into elements except where the page's
// own script takes over what the function rendered.
func (p *Page) Policy() string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types page"
}

// View is one of the views of this package.
type View interface {
	template() string
}

// Render renders a view in one of Languages.
func (p *Page) Render(language string, v View) ([]byte, error) {
	parse, ok := p.languages[language]
	if !ok {
		return nil, fmt.Errorf("render the page: no language %q", language)
	}
	t, err := parse()
	if err != nil {
		return nil, fmt.Errorf("render the page: %w", err)
	}
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, v.template(), v); err != nil {
		return nil, fmt.Errorf("render the page: %w", err)
	}
	return body.Bytes(), nil
}

func (p *Page) parse(language string) (*template.Template, error) {
	say := sayer(language)
	return template.New("page").Funcs(template.FuncMap{
		"t":        say,
		"language": func() string { return language },
		"style":    func() string { return "?file=" + p.style },
		"script":   func() string { return "?file=" + p.script },
		"lines":    diffLines,
	}).ParseFS(templates, "templates/*.html")
}
