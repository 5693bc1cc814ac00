// Command ferretdb serves the MongoDB wire protocol on top of PostgreSQL, for demo, development and tests.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "address to listen on")
	flag.Parse()
	// By environment: a command line, and the password in it, is open to every user of the machine.
	postgres := os.Getenv("FERRETDB_POSTGRESQL_URL")
	if postgres == "" {
		log.Fatal("FERRETDB_POSTGRESQL_URL (the database that keeps the documents) is not set")
	}

	server, err := ferretdb.New(&ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{TCP: *listen},
		Handler:       "postgresql",
		PostgreSQLURL: postgres,
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := server.Run(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}
