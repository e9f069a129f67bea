#!/bin/sh
# Does what the official image's server.sh does with the variables and arguments that the tests give it.
set -eu
export ORIENTDB_HOME=/orientdb # the server looks there for its databases
memory=${ORIENTDB_OPTS_MEMORY:--Xms2G -Xmx2G}
options=${JAVA_OPTS_SCRIPT:--Djna.nosys=true -Djava.awt.headless=true -Dfile.encoding=UTF8}
# Several options each, so not quoted.
# shellcheck disable=SC2086
exec java ${JAVA_OPTS:-} $memory $options ${ORIENTDB_SETTINGS:-} \
	-Dorientdb.config.file=$ORIENTDB_HOME/config/orientdb-server-config.xml \
	-cp "$ORIENTDB_HOME/lib/*" "$@" com.orientechnologies.orient.server.OServerMain
