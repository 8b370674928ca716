package local

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

// appCodeName is the header in which API Gateway's simple authentication (type APP) takes the application's code.
const appCodeName = "X-Apig-AppCode"

// gateway is API Gateway with the routes of the templates: /restores and what is below it belong to the restore function, the rest to the console.
// No route is open: every request needs the application's code.
//
// A browser cannot send a header of its own with the first page. So that a person can look at the page, and only for that, this gateway also takes the
// code once as a query parameter of a GET, and keeps it in a cookie that leaves with requests of the same site only. API Gateway has nothing like it.
func (c *Cloud) gateway(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if code := query.Get(appCodeName); code != "" && r.Method == http.MethodGet && c.isAppCode(code) {
		http.SetCookie(w, &http.Cookie{Name: appCodeName, Value: code, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		query.Del(appCodeName)
		target := *r.URL
		// One slash in front, or a browser would take the path for a host.
		target.Scheme, target.Host, target.RawQuery, target.Path = "", "", query.Encode(), "/"+strings.TrimLeft(r.URL.Path, "/")
		http.Redirect(w, r, target.String(), http.StatusSeeOther)
		return
	}
	function := c.Console
	if r.URL.Path == "/restores" || strings.HasPrefix(r.URL.Path, "/restores/") {
		function = c.Restore
	}
	function.APIG(functiongraph.APIGOptions{Authorize: c.authorize}).ServeHTTP(w, r)
}

// authorize checks the application's code, and takes it out of the request: the function has no use for it.
func (c *Cloud) authorize(r *http.Request) error {
	code := r.Header.Get(appCodeName)
	if cookie, err := r.Cookie(appCodeName); code == "" && err == nil {
		code = cookie.Value
	}
	if !c.isAppCode(code) {
		return errors.New("AppCode is missing or unknown: send it in the header " + appCodeName)
	}
	r.Header.Del(appCodeName)
	r.Header.Del("Cookie")
	return nil
}

func (c *Cloud) isAppCode(code string) bool {
	return subtle.ConstantTimeCompare([]byte(code), []byte(c.AppCode)) == 1
}

// PageURL is the address at which a browser finds the console's page.
func (c *Cloud) PageURL() string { return c.GatewayURL + "/?" + appCodeName + "=" + c.AppCode }

// Authorize adds to a request what the gateway wants.
func (c *Cloud) Authorize(r *http.Request) { r.Header.Set(appCodeName, c.AppCode) }
