"""What a system keeps, as a whole: backed up, restored, and set aside to start over (backup, restore, reset).

Moving studies from one store to another is `tools.observations`.
"""
