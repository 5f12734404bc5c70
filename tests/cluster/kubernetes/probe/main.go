// Command probe is what pods run in the tests of the cluster itself: a server
// that shows what a pod sees, and with arguments a client.
//
//	GET /version      the environment variable VERSION
//	GET /file/PATH    a file's content
//	GET /fetch?url=   what an address answers, asked with the pod's own token where it is the API server's
//	probe fetch URL   the same, printed
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/"
	apiServer      = "https://kubernetes.default.svc"
)

func fetch(url string) (string, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	if strings.HasPrefix(url, apiServer) {
		authority, _ := os.ReadFile(serviceAccount + "ca.crt")
		token, _ := os.ReadFile(serviceAccount + "token")
		roots.AppendCertsFromPEM(authority)
		request.Header.Set("Authorization", "Bearer "+string(token))
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

func reply(writer http.ResponseWriter, text string, err error) {
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprint(writer, text)
}

func serve() error {
	version := os.Getenv("VERSION")
	http.HandleFunc("/version", func(writer http.ResponseWriter, _ *http.Request) { reply(writer, version, nil) })
	http.HandleFunc("/file/", func(writer http.ResponseWriter, request *http.Request) {
		content, err := os.ReadFile(strings.TrimPrefix(request.URL.Path, "/file"))
		reply(writer, string(content), err)
	})
	http.HandleFunc("/fetch", func(writer http.ResponseWriter, request *http.Request) {
		text, err := fetch(request.URL.Query().Get("url"))
		reply(writer, text, err)
	})
	fmt.Println("serving", version)
	return http.ListenAndServe(":8080", nil)
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "fetch" {
		text, err := fetch(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Print(text)
		return
	}
	fmt.Fprintln(os.Stderr, serve())
	os.Exit(1)
}
