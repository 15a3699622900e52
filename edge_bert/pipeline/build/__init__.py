"""The main job: a session of checked inputs, its artifacts, their verification, the bundle."""
