from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trail", "0002_append_only"),
    ]

    operations = [
        migrations.CreateModel(
            name="ForwardCursor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("target", models.CharField(max_length=500, unique=True)),
                ("next_index", models.BigIntegerField(default=0)),
                ("until_index", models.BigIntegerField(default=0)),
                ("holder", models.UUIDField(null=True)),
                ("held_until", models.DateTimeField(null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=500)),
            ],
        ),
    ]
