import re

import pytest

from web.settings import SettingError, Settings


def test_without_an_environment_everything_is_embedded() -> None:
    settings = Settings.from_environment({})

    assert settings.observation_store == "sqlite:///data/observations.db"
    assert settings.caption_store == "sqlite:///data/captions.db"
    assert settings.caption_model == "file://models/flickr8k"
    assert settings.upload_bucket == "file://data"
    assert settings.spaces is None


def test_the_environment_wins_and_an_empty_variable_counts_as_absent() -> None:
    settings = Settings.from_environment({"OBSERVATION_STORE": "dynamodb://table", "CAPTION_STORE": " ", "SPACES": ""})

    assert settings.spaces is None
    assert settings.observation_store == "dynamodb://table"
    assert settings.caption_store == "sqlite:///data/captions.db"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OBSERVATION_STORE", "data/observations.db"),
        ("OBSERVATION_STORE", "sqlite://nonsense"),
        ("OBSERVATION_STORE", "sqlite:///x.db?mode=ro"),
        ("CAPTION_STORE", "sqlite:///x.db?mode=ro"),
        ("CAPTION_STORE", "redis://localhost"),
        ("CAPTION_STORE", "dynamodb://no table"),
        ("CAPTION_MODEL", "models/flickr8k"),
        ("CAPTION_MODEL", "s3://"),
        ("UPLOAD_BUCKET", "data"),
        ("UPLOAD_BUCKET", "s3://bucket/prefix"),
        ("CORS_ORIGIN", "https://studio.example.org/"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"{variable} is '{value}'")):
        Settings.from_environment({variable: value})


def test_the_upload_bucket_may_be_left_to_the_events() -> None:
    assert Settings.from_environment({"UPLOAD_BUCKET": "s3://"}).upload_bucket == "s3://"
