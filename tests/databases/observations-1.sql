-- Written by the code of the release before studies (schema version 1).
PRAGMA application_id = 1414876741;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE idempotency_keys (
        key TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        samples_seen INTEGER NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "idempotency_keys" VALUES('first','a',3);
INSERT INTO "idempotency_keys" VALUES('second','b',6);
CREATE TABLE observations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        mode TEXT NOT NULL,
        setting TEXT NOT NULL,
        rating REAL NOT NULL,
        recorded_at TEXT NOT NULL,
        suggestion_id TEXT
    );
INSERT INTO "observations" VALUES(1,'structure','{"api": "leonardo", "init_strength": 0.28, "guidance_scale": 5.0, "controlnet_weight": 0.89}',1.0,'2030-01-02T03:04:05.678901+00:00','rated');
INSERT INTO "observations" VALUES(2,'structure','{"api": "leonardo", "init_strength": 0.28, "guidance_scale": 5.03, "controlnet_weight": 0.89}',2.5,'2030-01-02T03:04:05.678901+00:00',NULL);
INSERT INTO "observations" VALUES(3,'surfaces','{"api": "leonardo", "init_strength": 0.28, "guidance_scale": 5.04, "controlnet_weight": 0.89}',3.0,'2030-01-02T03:04:05.678901+00:00','rated elsewhere');
INSERT INTO "observations" VALUES(4,'structure','{"api": "leonardo", "init_strength": 0.28, "guidance_scale": 5.0, "controlnet_weight": 0.89}',1.0,'2030-01-02T04:04:05.678901+00:00','rated');
INSERT INTO "observations" VALUES(5,'structure','{"api": "leonardo", "init_strength": 0.28, "guidance_scale": 5.05, "controlnet_weight": 0.89}',3.5,'2030-01-02T03:04:05.678901+00:00','of the caller''s own');
INSERT INTO "observations" VALUES(6,'relief','{"api": "leonardo", "init_strength": 0.28, "guidance_scale": 5.06, "controlnet_weight": 0.89}',4.0,'2030-01-02T03:04:05.678901+00:00',NULL);
INSERT INTO "observations" VALUES(7,'structure','{"api": "stablediffusion", "strength": 0.3333333333333333, "steps": 30, "sampler": "dpm++ & ''\u00f1''"}',1.66666666666666651863e+00,'2030-01-03T03:04:05.678901+00:00',NULL);
CREATE TABLE studies (
        mode TEXT PRIMARY KEY,
        seed INTEGER NOT NULL,
        hyperparameters TEXT,
        fitted_on INTEGER NOT NULL DEFAULT 0
    );
INSERT INTO "studies" VALUES('structure',161903345564517,'{"lengthscales": [["strength", 0.3333333333333333], ["guidance", 0.30000000000000004]], "signal_variance": 1.1, "noise_variance": 0.16, "similarity": 0.6666666666666666, "fitted_on": 5}',5);
INSERT INTO "studies" VALUES('surfaces',86152781129473,NULL,0);
CREATE TABLE suggestions (
        id TEXT PRIMARY KEY,
        mode TEXT NOT NULL,
        setting_key TEXT NOT NULL,
        setting TEXT NOT NULL,
        suggested_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        UNIQUE (mode, setting_key)
    );
INSERT INTO "suggestions" VALUES('expired','structure','leonardo&controlnet_weight=0.89&guidance_scale=5.01&init_strength=0.28','{"api": "leonardo", "init_strength": 0.28, "guidance_scale": 5.01, "controlnet_weight": 0.89}','2030-01-01T03:04:05.678901+00:00','2030-01-02T03:04:05.678901+00:00');
INSERT INTO "suggestions" VALUES('outstanding','structure','leonardo&controlnet_weight=0.89&guidance_scale=5.02&init_strength=0.28','{"api": "leonardo", "init_strength": 0.28, "guidance_scale": 5.02, "controlnet_weight": 0.89}','2030-01-02T03:04:05.678901+00:00','2030-01-03T03:04:05.678901+00:00');
INSERT INTO "suggestions" VALUES('elsewhere','surfaces','leonardo&controlnet_weight=0.89&guidance_scale=5.02&init_strength=0.28','{"api": "leonardo", "init_strength": 0.28, "guidance_scale": 5.02, "controlnet_weight": 0.89}','2030-01-02T03:04:05.678901+00:00','2030-01-03T03:04:05.678901+00:00');
CREATE INDEX observations_of_mode ON observations (mode, id);
CREATE INDEX suggestions_by_expiry ON suggestions (expires_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('observations',7);
COMMIT;
